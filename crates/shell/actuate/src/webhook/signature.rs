//! HMAC-SHA256 over id, timestamp and body, as Standard Webhooks has it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;

/// What marks a secret that is written in base64.
const PREFIX: &str = "whsec_";
/// Fewest bytes of a secret.
const SHORTEST: usize = 16;

/// Why a text is no secret. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// After `whsec_` comes base64.
    #[error("expected base64 after `whsec_`")]
    NotBase64,
    /// It can be guessed.
    #[error("expected a secret of at least {SHORTEST} bytes, found {0}; such as `whsec_$(openssl rand -base64 32)`")]
    TooShort(usize),
}

/// The secret that is shared with a receiver.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Key {
    /// Reads a secret as it is handed round: `whsec_` and base64, or any text, which is taken as it is.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it is no base64, or too short to keep anything safe.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| KeyError::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < SHORTEST { Err(KeyError::TooShort(bytes.len())) } else { Ok(Self(bytes)) }
    }

    /// The value of the header `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: &str, body: &str) -> String {
        format!("v1,{}", STANDARD.encode(self.mac(id, timestamp, body).finalize().into_bytes()))
    }

    /// Whether one of the signatures of a header, which spaces separate, is ours. Compared in constant time.
    #[must_use]
    pub fn verifies(&self, id: &str, timestamp: &str, body: &str, header: &str) -> bool {
        let signatures = header.split(' ').filter_map(|one| STANDARD.decode(one.strip_prefix("v1,")?).ok());
        signatures.fold(false, |found, one| found | self.mac(id, timestamp, body).verify_slice(&one).is_ok())
    }

    fn mac(&self, id: &str, timestamp: &str, body: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in [id, ".", timestamp, ".", body] {
            mac.update(part.as_bytes());
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf %s "$ID.$TIMESTAMP.$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary |
    /// base64`.
    #[test]
    fn a_signature_is_what_openssl_computes() {
        let key = Key::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("a secret");
        let signed = key.sign("d1@5/webhook", "1767225600", r#"{"a":1}"#);
        assert_eq!(signed, "v1,Rk3buiZIDYZFTR6FzvoLFw3xL2GL6Yv/YTCTXJZPLdA=");
        assert!(key.verifies("d1@5/webhook", "1767225600", r#"{"a":1}"#, &format!("v1,AAAA {signed}")));
        for (id, timestamp, body) in [
            ("d2@5/webhook", "1767225600", r#"{"a":1}"#),
            ("d1@5/webhook", "1767225601", r#"{"a":1}"#),
            ("d1@5/webhook", "1767225600", r#"{"a":2}"#),
        ] {
            assert!(!key.verifies(id, timestamp, body, &signed), "{id} {timestamp} {body}");
        }
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_and_none_is_shown() {
        assert_eq!(Key::parse("hunter2"), Err(KeyError::TooShort(7)));
        assert_eq!(Key::parse("whsec_***"), Err(KeyError::NotBase64));
        let key = Key::parse("a text of twenty bytes and more").expect("a secret");
        assert_eq!(format!("{key:?}"), "(secret)");
    }
}
