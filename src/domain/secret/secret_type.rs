//! Secret types that need certain keys: the API server refuses such a Secret without them (validation of `core/v1`
//! Secrets).

use crate::api::Reason;
use crate::domain::{
    report::{fault::Fault, text::list},
    secret::json,
};

/// The types and the keys that each needs. `basic-auth` needs one of two keys, which the API server checks.
const REQUIRED_KEYS: &[(&str, &[&str])] = &[
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

/// Checks that a Secret of a type has all the keys that it needs. `has` reports whether it has, or may have, a key.
///
/// # Errors
/// `InvalidSpec` with the keys that are missing.
pub(crate) fn check_keys(type_: &str, has: impl Fn(&str) -> bool) -> Result<(), Fault> {
    let missing: Vec<_> = required_keys(type_).iter().filter(|key| !has(key)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "A Secret of type {type_} needs the keys {}; add the missing ones ({}), or correct spec.target.type.",
        list(required_keys(type_)),
        list(&missing)
    );
    Err(Fault::new(Reason::InvalidSpec, message))
}

/// Checks the value of a key that a type prescribes.
///
/// # Errors
/// `ValueError` with the key; never with anything of the value.
pub(crate) fn check_value(type_: &str, key: &str, value: &[u8]) -> Result<(), Fault> {
    let is_json = type_.starts_with("kubernetes.io/dockerc") && required_keys(type_).contains(&key);
    if !is_json || std::str::from_utf8(value).is_ok_and(json::is_json) {
        return Ok(());
    }
    let message = format!("Key {key} of a Secret of type {type_} must be JSON, but is not; correct its parameter.");
    Err(Fault::new(Reason::ValueError, message))
}

fn required_keys(type_: &str) -> &'static [&'static str] {
    REQUIRED_KEYS.iter().find(|(known, _)| *known == type_).map_or(&[], |(_, keys)| keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_needs_its_keys() {
        let check = |type_: &str, keys: &[&str]| check_keys(type_, |key| keys.contains(&key)).map_err(|f| f.message);
        assert_eq!(check("Opaque", &[]), Ok(()));
        assert_eq!(check("kubernetes.io/tls", &["tls.crt", "tls.key", "ca.crt"]), Ok(()));
        let message = check("kubernetes.io/tls", &["tls.crt"]).expect_err("a missing key");
        assert!(message.contains("tls.crt, tls.key") && message.contains("(tls.key)"), "{message}");
        assert!(check("kubernetes.io/ssh-auth", &["id_rsa"]).is_err());
    }

    #[test]
    fn registry_credentials_must_be_json() {
        let check = |key: &str, value: &str| check_value("kubernetes.io/dockerconfigjson", key, value.as_bytes());
        assert!(check(".dockerconfigjson", r#"{"auths": {}}"#).is_ok());
        let fault = check(".dockerconfigjson", "s3cr3t").expect_err("no JSON");
        assert_eq!(fault.reason, Reason::ValueError);
        assert!(!fault.message.contains("s3cr3t"));
        assert!(check("other", "s3cr3t").is_ok());
        assert!(check_value("Opaque", ".dockerconfigjson", b"s3cr3t").is_ok());
    }
}
