//! Credentials from the Secret of a store.

use std::{collections::BTreeMap, fmt};

use aws_sdk_ssm::config::Credentials;
use k8s_openapi::ByteString;

use crate::api::CredentialKeys;

/// Key of the access key id, where the store names no other.
const ACCESS_KEY_ID: &str = "access-key-id";
/// Key of the secret access key, where the store names no other.
const SECRET_ACCESS_KEY: &str = "secret-access-key";
/// Key of the session token, where the store names no other.
const SESSION_TOKEN: &str = "session-token";

/// What a part of credentials may hold. The SDK puts the access key id and the session token into headers, and panics if
/// they do not fit there.
struct Field {
    /// Its usual key in a Secret.
    key: &'static str,
    /// Longest text, in bytes.
    longest: usize,
    allows: fn(u8) -> bool,
    /// What it consists of, as the end of a sentence.
    consists_of: &'static str,
}

const FIELDS: [Field; 3] = [
    // IAM API reference, AccessKey: 16 to 128 word characters. Emulators of AWS accept shorter ones.
    Field {
        key: ACCESS_KEY_ID,
        longest: 128,
        allows: |byte| byte.is_ascii_alphanumeric() || byte == b'_',
        consists_of: "letters, digits and _",
    },
    Field { key: SECRET_ACCESS_KEY, longest: 1_024, allows: is_visible, consists_of: VISIBLE },
    // AWS states no length; tokens of some thousand characters are common.
    Field { key: SESSION_TOKEN, longest: 16_384, allows: is_visible, consists_of: VISIBLE },
];

const VISIBLE: &str = "visible ASCII characters";

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// Static credentials. `Debug` shows nothing but the access key id.
#[derive(Clone)]
pub(crate) struct StaticCredentials(Credentials);

impl StaticCredentials {
    pub(super) fn new(id: String, secret: String, token: Option<String>) -> Self {
        Self(Credentials::new(id, secret, token, None, "credentialsSecretRef"))
    }

    /// Reads credentials from the data of a Secret. White space around them is ignored.
    ///
    /// # Errors
    /// Names the key that is missing, empty or not what AWS issues; never its content.
    pub(crate) fn from_secret_data(data: &BTreeMap<String, ByteString>, keys: &CredentialKeys) -> Result<Self, String> {
        let [id_key, secret_key, token_key] = Self::keys(keys);
        let [id_field, secret_field, token_field] = &FIELDS;
        let required =
            |key: &str, text: Option<String>| text.ok_or_else(|| format!("its key {key} is missing; add it"));
        let id = required(id_key, id_field.read(data, id_key)?)?;
        Ok(Self::new(
            id,
            required(secret_key, secret_field.read(data, secret_key)?)?,
            token_field.read(data, token_key)?,
        ))
    }

    /// Returns the keys of access key id, secret access key and session token.
    pub(crate) fn keys(keys: &CredentialKeys) -> [&str; 3] {
        [
            keys.access_key_id.as_deref().unwrap_or(ACCESS_KEY_ID),
            keys.secret_access_key.as_deref().unwrap_or(SECRET_ACCESS_KEY),
            keys.session_token.as_deref().unwrap_or(SESSION_TOKEN),
        ]
    }

    /// Returns access key id, secret access key, and the session token if there is one.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        [Some(self.0.access_key_id()), Some(self.0.secret_access_key()), self.0.session_token()].into_iter().flatten()
    }

    /// Returns the credentials in the form that the SDK takes.
    pub(crate) fn provider(&self) -> Credentials {
        self.0.clone()
    }
}

/// Checks that credentials from the operator's environment fit into headers.
///
/// # Errors
/// Names the part that does not; never its content.
pub(super) fn check(credentials: &Credentials) -> Result<(), String> {
    let parts = [Some(credentials.access_key_id()), Some(credentials.secret_access_key()), credentials.session_token()];
    for (field, part) in FIELDS.iter().zip(parts) {
        if !part.is_none_or(|part| part.bytes().all(field.allows)) {
            let name = field.key.replace('-', " ");
            return Err(format!("the {name} may hold only {}, without line breaks", field.consists_of));
        }
    }
    Ok(())
}

impl Field {
    fn read(&self, data: &BTreeMap<String, ByteString>, key: &str) -> Result<Option<String>, String> {
        let Self { longest, allows, consists_of, .. } = self;
        let Some(ByteString(bytes)) = data.get(key) else { return Ok(None) };
        let text = bytes.trim_ascii();
        if text.is_empty() {
            return Err(format!("its key {key} is empty; set it"));
        }
        if text.len() > *longest {
            return Err(format!("its key {key} is longer than {longest} characters; copy it again"));
        }
        match std::str::from_utf8(text) {
            Ok(text) if text.bytes().all(allows) => Ok(Some(text.to_owned())),
            _ => Err(format!("its key {key} may hold only {consists_of}, without line breaks inside; copy it again")),
        }
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

    fn read(entries: &[(&str, &[u8])]) -> Result<StaticCredentials, String> {
        let data = entries.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec()))).collect();
        StaticCredentials::from_secret_data(&data, &CredentialKeys::default())
    }

    #[test]
    fn white_space_around_credentials_is_ignored() {
        let padded = read(&[
            (ACCESS_KEY_ID, b"AKID\r\n"),
            (SECRET_ACCESS_KEY, b" s3/cr+t= \r\n"),
            (SESSION_TOKEN, b"\tt0k3n//\n"),
            ("region", b"\n"),
        ]);
        let padded = padded.expect("credentials");
        assert_eq!(padded.parts().collect::<Vec<_>>(), ["AKID", "s3/cr+t=", "t0k3n//"]);
        assert_eq!(format!("{padded:?}"), r#"StaticCredentials("AKID")"#);
    }

    /// The SDK panics when it puts some of these into a header.
    #[test]
    fn what_cannot_be_credentials_is_refused_by_key_and_without_content() {
        let long = "a".repeat(20_000);
        for value in [
            &b"s3cr3t\nmore"[..],
            b"s3 cr3t",
            b"s3cr3t\0",
            b"\xef\xbb\xbfs3cr3t",
            b"s3cr3t\xff",
            b"\x7f",
            long.as_bytes(),
            b" \n",
        ] {
            for key in [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN] {
                let mut entries =
                    [(ACCESS_KEY_ID, &b"AKID"[..]), (SECRET_ACCESS_KEY, b"good"), (SESSION_TOKEN, b"good")];
                entries.iter_mut().filter(|entry| entry.0 == key).for_each(|entry| entry.1 = value);
                let problem = read(&entries).expect_err("refused");
                assert!(problem.starts_with(&format!("its key {key} ")), "{problem}");
                assert!(!problem.contains("s3"), "{problem}");
            }
        }
        assert!(read(&[(ACCESS_KEY_ID, b"AKID/2026"), (SECRET_ACCESS_KEY, b"good")]).is_err());
    }

    #[test]
    fn credentials_of_the_environment_are_checked_too() {
        let checked = |id, token: Option<&str>| {
            check(&Credentials::new(id, "s3cr3t", token.map(str::to_owned), None, "environment"))
        };
        assert_eq!(checked("AKID", Some("t0k3n")), Ok(()));
        assert_eq!(checked("AKID", None), Ok(()));
        let expected = "the access key id may hold only letters, digits and _, without line breaks";
        assert_eq!(checked("AKID\n", None), Err(expected.to_owned()));
        assert!(checked("AKID", Some("t0k3n\n")).is_err_and(|problem| problem.starts_with("the session token ")));
    }

    #[test]
    fn a_store_may_name_other_keys() {
        let keys = CredentialKeys { access_key_id: Some("AWS_ACCESS_KEY_ID".into()), ..CredentialKeys::default() };
        let data = |id: &str| {
            let entries = [(id, "AKID"), (SECRET_ACCESS_KEY, "s3cret")];
            entries.map(|(key, value)| (key.to_owned(), ByteString(value.as_bytes().to_vec()))).into()
        };
        let read = StaticCredentials::from_secret_data(&data("AWS_ACCESS_KEY_ID"), &keys).expect("credentials");
        assert_eq!(read.parts().collect::<Vec<_>>(), ["AKID", "s3cret"]);
        let problem = StaticCredentials::from_secret_data(&data(ACCESS_KEY_ID), &keys).expect_err("refused");
        assert_eq!(problem, "its key AWS_ACCESS_KEY_ID is missing; add it");
    }

    #[test]
    fn missing_keys_are_named() {
        let problem = read(&[(SECRET_ACCESS_KEY, b"s3cr3t")]).expect_err("refused");
        assert_eq!(problem, "its key access-key-id is missing; add it");
        let problem = read(&[(ACCESS_KEY_ID, b"AKID")]).expect_err("refused");
        assert_eq!(problem, "its key secret-access-key is missing; add it");
    }
}
