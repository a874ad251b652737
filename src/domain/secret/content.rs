//! The data of a Secret, borrowed from the values that were read where a key holds all of a value.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::api::KmsDecrypt;
use crate::domain::parameter::name::ParameterRef;

/// Most bytes that the values of a Secret may have together (`MaxSecretSize` of the Kubernetes API).
pub(crate) const MAX_SECRET_BYTES: usize = 1_048_576;

/// Values by parameter. Zeroized when dropped, redacted in Debug.
pub(crate) type Values = BTreeMap<ParameterRef, Arc<SecretString>>;

/// Plaintexts of values that KMS decrypted once more, by parameter and by how. Zeroized when dropped, redacted in Debug.
pub(crate) type KmsPlaintexts = BTreeMap<(ParameterRef, KmsDecrypt), SecretSlice<u8>>;

/// The data of a Secret.
pub(crate) type Data<'a> = BTreeMap<Cow<'a, str>, Content<'a>>;

/// The content of one key. Zeroized when dropped, redacted in Debug.
pub(crate) enum Content<'a> {
    /// All of a value.
    Value(&'a SecretString),
    /// A part of a value.
    Text(SecretString),
    /// A decoded value, or what a template renders.
    Bytes(SecretSlice<u8>),
    /// All of a value that KMS decrypted once more.
    KmsPlaintext(&'a SecretSlice<u8>),
}

impl Content<'_> {
    /// Returns the bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Value(value) => value.expose_secret().as_bytes(),
            Self::Text(value) => value.expose_secret().as_bytes(),
            Self::Bytes(bytes) => bytes.expose_secret(),
            Self::KmsPlaintext(bytes) => bytes.expose_secret(),
        }
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content([REDACTED])")
    }
}
