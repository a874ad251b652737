//! Encryption: AES-256-GCM with a random key and the encryption context as additional data.

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;

/// The name-value pairs that decryption requires again.
pub(super) type EncryptionContext = BTreeMap<String, String>;

/// The first bytes of symmetric KMS ciphertext.
const KMS_OPENING: [u8; 5] = [0x01, 0x02, 0x02, 0x00, 0x78];
/// The first bytes of a message of the AWS Encryption SDK, version 1: version, type, algorithm suite.
const ENVELOPE_OPENING: [u8; 4] = [0x01, 0x80, 0x03, 0x78];
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// The bytes are not ciphertext of this fake, were changed, or the context differs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A symmetric key that never leaves the fake.
pub(super) struct CipherKey(RandomizedNonceKey);

impl CipherKey {
    /// A fresh random key.
    pub(super) fn random() -> Self {
        Self::from_bytes(&random_bytes())
    }

    fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        Self(RandomizedNonceKey::new(&AES_256_GCM, bytes).expect("32 bytes are a key of AES-256"))
    }

    /// Encrypts. Returns nonce, ciphertext and tag, concatenated.
    pub(super) fn seal(&self, additional: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut bytes = plaintext.to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(additional), &mut bytes);
        let nonce = nonce.expect("sealing fails only without memory");
        [nonce.as_ref().as_slice(), &bytes].concat()
    }

    /// Decrypts a result of [`Self::seal`].
    pub(super) fn open(&self, additional: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Broken> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or(Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Broken)?;
        let mut bytes = ciphertext.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(additional), &mut bytes).map_err(|_| Broken)?;
        Ok(opened.to_vec())
    }

    /// A KMS ciphertext blob that names its key.
    pub(super) fn encrypt(&self, key_arn: &str, context: &EncryptionContext, plaintext: &[u8]) -> Vec<u8> {
        let mut blob = KMS_OPENING.to_vec();
        push_short(&mut blob, key_arn.as_bytes());
        let sealed = self.seal(&additional_data(key_arn, context), plaintext);
        blob.extend_from_slice(&sealed);
        blob
    }

    /// Decrypts a blob that [`key_of`] attributes to this key.
    pub(super) fn decrypt(&self, blob: &[u8], context: &EncryptionContext) -> Result<Vec<u8>, Broken> {
        let (key_arn, sealed) = split_blob(blob)?;
        self.open(&additional_data(key_arn, context), sealed)
    }
}

fn random_bytes() -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    rand::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// ARN of the key that encrypted the blob.
pub(super) fn key_of(blob: &[u8]) -> Result<&str, Broken> {
    split_blob(blob).map(|(key_arn, _)| key_arn)
}

fn split_blob(blob: &[u8]) -> Result<(&str, &[u8]), Broken> {
    let (key_arn, sealed) = split_short(blob.strip_prefix(&KMS_OPENING).ok_or(Broken)?)?;
    Ok((std::str::from_utf8(key_arn).map_err(|_| Broken)?, sealed))
}

/// A value for the advanced tier: encrypted under a data key, which KMS wraps through `wrap`.
pub(super) fn seal_envelope<E>(plaintext: &[u8], wrap: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    let data_key = random_bytes();
    let wrapped = wrap(&data_key)?;
    let mut message = ENVELOPE_OPENING.to_vec();
    push_short(&mut message, &wrapped);
    let sealed = CipherKey::from_bytes(&data_key).seal(&wrapped, plaintext);
    message.extend_from_slice(&sealed);
    Ok(message)
}

/// The wrapped data key of a message made by [`seal_envelope`]; `None` for a plain KMS blob.
pub(super) fn wrapped_key(message: &[u8]) -> Option<&[u8]> {
    split_short(message.strip_prefix(&ENVELOPE_OPENING)?).ok().map(|(wrapped, _)| wrapped)
}

/// Opens a message with its unwrapped data key.
pub(super) fn open_envelope(message: &[u8], data_key: &[u8]) -> Result<Vec<u8>, Broken> {
    let (wrapped, sealed) = split_short(message.strip_prefix(&ENVELOPE_OPENING).ok_or(Broken)?)?;
    let key = CipherKey::from_bytes(data_key.try_into().map_err(|_| Broken)?);
    key.open(wrapped, sealed)
}

// With the length before each part, no two contexts give the same bytes.
fn additional_data(key_arn: &str, context: &EncryptionContext) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_short(&mut bytes, key_arn.as_bytes());
    for (name, value) in context {
        push_short(&mut bytes, name.as_bytes());
        push_short(&mut bytes, value.as_bytes());
    }
    bytes
}

fn push_short(bytes: &mut Vec<u8>, part: &[u8]) {
    let length = u16::try_from(part.len()).expect("names and contexts are far below 64 KiB");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(part);
}

fn split_short(bytes: &[u8]) -> Result<(&[u8], &[u8]), Broken> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or(Broken)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(value: &str) -> EncryptionContext {
        EncryptionContext::from([("PARAMETER_ARN".to_owned(), value.to_owned())])
    }

    #[test]
    fn a_blob_opens_only_with_its_context_and_unchanged() {
        let key = CipherKey::random();
        let mut blob = key.encrypt("arn:key", &context("a"), b"secret");
        assert_eq!(blob[..5], [0x01, 0x02, 0x02, 0x00, 0x78]);
        assert_eq!(key_of(&blob), Ok("arn:key"));
        assert_eq!(key.decrypt(&blob, &context("a")), Ok(b"secret".to_vec()));
        assert_eq!(key.decrypt(&blob, &context("b")), Err(Broken));
        assert_eq!(key.decrypt(&blob, &EncryptionContext::new()), Err(Broken));
        assert_eq!(CipherKey::random().decrypt(&blob, &context("a")), Err(Broken));
        assert!(!blob.windows(6).any(|window| window == b"secret"));
        assert_ne!(blob, key.encrypt("arn:key", &context("a"), b"secret"), "a fresh nonce each time");
        let last = blob.len() - 1;
        blob[last] ^= 1;
        assert_eq!(key.decrypt(&blob, &context("a")), Err(Broken));
    }

    #[test]
    fn an_envelope_opens_with_the_data_key_it_wraps() {
        let key = CipherKey::random();
        let message = seal_envelope(b"large", |data| Ok::<_, Broken>(key.encrypt("arn:key", &context("a"), data)));
        let message = message.expect("wrapping succeeds");
        assert_eq!(key_of(&message), Err(Broken), "KMS itself does not take it");
        let wrapped = wrapped_key(&message).expect("an envelope");
        let data_key = key.decrypt(wrapped, &context("a")).expect("the right context");
        assert_eq!(open_envelope(&message, &data_key), Ok(b"large".to_vec()));
        assert_eq!(open_envelope(&message, &[0; 32]), Err(Broken));
    }
}
