//! What becomes of the names of keys, which may be those of people: taken as they are, replaced, or not read at all.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;
use tidegauge_model::NamedKeys;

/// Bytes of a digest that stand for a key: two of a million keys are alike once in 37 million.
const DIGEST_BYTES: usize = 8;

/// How names of keys travel.
#[derive(Clone, Debug, Default)]
pub enum KeyNames {
    /// As producers name them.
    #[default]
    Plain,
    /// As the first 16 hexadecimal digits of SHA-256 over a secret and the name: keys stay apart, and are found again by
    /// who knows both.
    Hashed(KeySecret),
    /// Keys are read over.
    Off,
}

/// What is hashed before a name, so that nobody finds a name by trying. Never shown.
#[derive(Clone)]
pub struct KeySecret(Arc<str>);

impl KeySecret {
    /// From a text.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        Self(secret.into())
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret")
    }
}

impl KeyNames {
    pub(super) fn applied_to(&self, mut keys: NamedKeys) -> NamedKeys {
        if let Self::Hashed(secret) = self {
            keys.shares.iter_mut().for_each(|(key, _)| *key = digest(secret, key));
        }
        keys
    }
}

/// The length before the secret keeps it apart from the name.
fn digest(secret: &KeySecret, key: &str) -> Box<str> {
    let mut hash = Sha256::new();
    hash.update((secret.0.len() as u64).to_be_bytes());
    hash.update(secret.0.as_bytes());
    hash.update(key.as_bytes());
    let digits = hash.finalize().iter().take(DIGEST_BYTES).map(|byte| format!("{byte:02x}")).collect::<String>();
    digits.into()
}
