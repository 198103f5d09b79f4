//! Names that are computed: ids and fingerprints, the same on every replay.

use sha2::{Digest, Sha256};

/// First 16 bytes, hex, of SHA-256 over the parts, each as UTF-8 after its length (32 bits, big endian), so that no two
/// lists of parts run together.
#[must_use]
pub fn id_of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        digest.update(length.to_be_bytes());
        digest.update(part.as_bytes());
    }
    hex(&digest.finalize()[..16])
}

/// SHA-256 of the bytes, hex.
#[must_use]
pub fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sha_256_of_length_prefixed_parts() {
        // printf '\0\0\0\1a\0\0\0\2bc' | sha256sum
        assert_eq!(id_of(["a", "bc"]), "b534ce16ac9c8b36823f39a395ce8e0e");
        assert_ne!(id_of(["a", "bc"]), id_of(["ab", "c"]));
        assert_eq!(hash_of(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
