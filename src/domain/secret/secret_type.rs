//! Types of Secrets that need certain keys: the API server refuses them without (validation of `core/v1` Secrets).

use crate::api::Reason;
use crate::domain::{Fault, report::text::list, secret::json};

/// Types, each with the keys that it needs. `basic-auth` needs one of two, and is left to the API server.
const REQUIRED: &[(&str, &[&str])] = &[
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
];

/// Checks that a Secret of a type has, or may have, the keys that it needs.
///
/// # Errors
/// `InvalidSpec` with the keys that are missing.
pub fn check_keys(type_: &str, has: impl Fn(&str) -> bool) -> Result<(), Fault> {
    let missing: Vec<_> = required(type_).iter().filter(|key| !has(key)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!(
        "A Secret of type {type_} needs the keys {}; add what is missing ({}), or correct spec.target.type.",
        list(required(type_)),
        list(&missing)
    );
    Err(Fault::new(Reason::InvalidSpec, message))
}

/// Checks what the keys of a type hold.
///
/// # Errors
/// `ValueError` with the key; never with anything of the value.
pub fn check_value(type_: &str, key: &str, value: &[u8]) -> Result<(), Fault> {
    let is_json = type_.starts_with("kubernetes.io/dockerc") && required(type_).contains(&key);
    if !is_json || std::str::from_utf8(value).is_ok_and(json::is_json) {
        return Ok(());
    }
    let message = format!("Key {key} of a Secret of type {type_} must be JSON and is not; correct its parameter.");
    Err(Fault::new(Reason::ValueError, message))
}

fn required(type_: &str) -> &'static [&'static str] {
    REQUIRED.iter().find(|(known, _)| *known == type_).map_or(&[], |(_, keys)| keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_need_their_keys() {
        let check = |type_: &str, keys: &[&str]| check_keys(type_, |key| keys.contains(&key)).map_err(|f| f.message);
        assert_eq!(check("Opaque", &[]), Ok(()));
        assert_eq!(check("kubernetes.io/tls", &["tls.crt", "tls.key", "ca.crt"]), Ok(()));
        let message = check("kubernetes.io/tls", &["tls.crt"]).expect_err("a missing key");
        assert!(message.contains("tls.crt, tls.key") && message.contains("(tls.key)"), "{message}");
        assert!(check("kubernetes.io/ssh-auth", &["id_rsa"]).is_err());
    }

    #[test]
    fn configurations_of_registries_are_json() {
        let check = |key: &str, value: &str| check_value("kubernetes.io/dockerconfigjson", key, value.as_bytes());
        assert!(check(".dockerconfigjson", r#"{"auths": {}}"#).is_ok());
        let fault = check(".dockerconfigjson", "s3cr3t").expect_err("no JSON");
        assert_eq!(fault.reason, Reason::ValueError);
        assert!(!fault.message.contains("s3cr3t"));
        assert!(check("other", "s3cr3t").is_ok());
        assert!(check_value("Opaque", ".dockerconfigjson", b"s3cr3t").is_ok());
    }
}
