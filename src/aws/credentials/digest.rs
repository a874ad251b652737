//! Tells credentials apart without keeping them.

use std::fmt;

use aws_lc_rs::hmac;
use uuid::Uuid;

use crate::aws::credentials::static_credentials::StaticCredentials;

/// Makes digests with a random key that lives in memory only, so that a digest says nothing outside of this process.
#[derive(Clone)]
pub(crate) struct CredentialDigests(hmac::Key);

/// The digest of credentials. Two are equal if the credentials are. `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CredentialDigest([u8; 32]);

impl CredentialDigests {
    /// Draws a new key.
    pub(crate) fn new() -> Self {
        let key = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// Returns the digest of credentials.
    pub(crate) fn digest(&self, credentials: &StaticCredentials) -> CredentialDigest {
        let mut context = hmac::Context::with_key(&self.0);
        for part in credentials.parts() {
            // The length first, so that no two credentials run together to the same bytes.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        CredentialDigest(digest)
    }
}

impl fmt::Debug for CredentialDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialDigests")
    }
}

impl fmt::Debug for CredentialDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_credentials_have_equal_digests() {
        let digests = CredentialDigests::new();
        let digest = |id: &str, secret: &str, token: Option<&str>| {
            digests.digest(&StaticCredentials::new(id.to_owned(), secret.to_owned(), token.map(str::to_owned)))
        };
        let one = digest("AKID", "secret", None);
        assert!(one == digest("AKID", "secret", None));
        for other in
            [digest("AKIDs", "ecret", None), digest("AKID", "other", None), digest("AKID", "secret", Some("t"))]
        {
            assert!(one != other);
        }
        let same = StaticCredentials::new("AKID".to_owned(), "secret".to_owned(), None);
        assert!(CredentialDigests::new().digest(&same) != one, "the key is random");
        assert_eq!(format!("{one:?} {digests:?}"), "CredentialDigest CredentialDigests");
    }
}
