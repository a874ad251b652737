//! Digests over lists of texts: of metadata and names, never of values.

use sha2::{Digest, Sha256};

/// SHA-256 over texts, each prefixed by its length, so that no two lists run together to the same bytes.
#[derive(Default)]
pub(crate) struct TextDigest(Sha256);

impl TextDigest {
    /// Takes in one text.
    pub(crate) fn add(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text.as_bytes());
    }

    /// The digest of everything taken in, in hexadecimal.
    pub(crate) fn hex(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}
