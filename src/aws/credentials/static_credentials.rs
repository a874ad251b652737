//! Credentials from the Secret of a store.

use std::{collections::BTreeMap, fmt};

use aws_sdk_ssm::config::Credentials;
use k8s_openapi::ByteString;

/// Key of the access key id.
pub(crate) const ACCESS_KEY_ID: &str = "access-key-id";
/// Key of the secret access key.
pub(crate) const SECRET_ACCESS_KEY: &str = "secret-access-key";
/// Key of the session token, which only temporary credentials have.
pub(crate) const SESSION_TOKEN: &str = "session-token";

/// Static credentials. `Debug` shows nothing but the access key id.
#[derive(Clone)]
pub(crate) struct StaticCredentials(Credentials);

impl StaticCredentials {
    /// Reads credentials from the data of a Secret.
    ///
    /// # Errors
    /// Names the key that is missing, empty or not text; never its content.
    pub(crate) fn from_secret_data(data: &BTreeMap<String, ByteString>) -> Result<Self, String> {
        let optional = |key: &str| match data.get(key) {
            None => Ok(None),
            Some(ByteString(bytes)) => match std::str::from_utf8(bytes).map(str::trim) {
                Ok("") => Err(format!("key {key} is empty")),
                Ok(text) => Ok(Some(text.to_owned())),
                Err(_) => Err(format!("key {key} is not text")),
            },
        };
        let required = |key: &str| optional(key)?.ok_or_else(|| format!("key {key} is missing"));
        let (id, secret) = (required(ACCESS_KEY_ID)?, required(SECRET_ACCESS_KEY)?);
        Ok(Self(Credentials::new(id, secret, optional(SESSION_TOKEN)?, None, "credentialsSecretRef")))
    }

    /// Returns the credentials in the form that the SDK takes.
    pub(crate) fn provider(&self) -> Credentials {
        self.0.clone()
    }
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StaticCredentials").field(&self.0.access_key_id()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(entries: &[(&str, &[u8])]) -> BTreeMap<String, ByteString> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec()))).collect()
    }

    #[test]
    fn errors_name_the_key_and_never_its_content() {
        for (entries, expected) in [
            (data(&[(SECRET_ACCESS_KEY, b"s3cr3t")]), "key access-key-id is missing"),
            (data(&[(ACCESS_KEY_ID, b"AKID"), (SECRET_ACCESS_KEY, b" \n")]), "key secret-access-key is empty"),
            (data(&[(ACCESS_KEY_ID, b"AKID"), (SECRET_ACCESS_KEY, b"\xff")]), "key secret-access-key is not text"),
        ] {
            assert_eq!(StaticCredentials::from_secret_data(&entries).map(drop), Err(expected.to_owned()));
        }
        let good =
            StaticCredentials::from_secret_data(&data(&[(ACCESS_KEY_ID, b"AKID\n"), (SECRET_ACCESS_KEY, b"s3cr3t")]));
        assert_eq!(format!("{:?}", good.expect("credentials")), r#"StaticCredentials("AKID")"#);
    }
}
