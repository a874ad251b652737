//! `key` and `version` of a remote reference: the name of a parameter, kept to the letter, and which version is read.

use crate::{
    api::ValueOptions,
    domain::parameter::name::{is_possible, is_too_long},
};

/// Longest label of a version (Systems Manager API reference, LabelParameterVersion).
const LONGEST_LABEL: usize = 100;
/// Where the names of secrets of Secrets Manager begin.
const SECRETS_MANAGER: &str = "/aws/reference/secretsmanager/";

/// Splits a key of ESO, which may end with a version as AWS takes it, into the name of a parameter and its version.
///
/// # Errors
/// What has no equivalent, as a sentence without a full stop.
pub(super) fn split(key: &str, version: Option<&str>) -> Result<(String, ValueOptions), String> {
    let name_at = if key.starts_with("arn:") { key.find(":parameter").map_or(0, |at| at + 1) } else { 0 };
    let colon = key.match_indices(':').map(|(at, _)| at).find(|at| *at >= name_at);
    let (name, inner) = match colon.and_then(|at| key.split_at_checked(at)) {
        Some((name, inner)) => (name, inner.strip_prefix(':')),
        None => (key, None),
    };
    let selector = match (inner, version) {
        (Some(_), Some(_)) => return Err("the key names a version, and so does the field version".to_owned()),
        (inner, version) => inner.or(version),
    };
    let mut options = ValueOptions::default();
    match selector {
        None => {}
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            let number = number.parse().ok().filter(|number: &i64| *number >= 1);
            if name.contains(SECRETS_MANAGER) {
                return Err("a secret of Secrets Manager has no version numbers".to_owned());
            }
            options.version = Some(number.ok_or("a version is a number from 1")?);
        }
        Some(label) if is_label(label) => options.label = Some(label.to_owned()),
        Some(other) => return Err(format!("{other} is neither a version nor a label of a parameter")),
    }
    Ok((name.to_owned(), options))
}

fn is_label(label: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    let first = label.bytes().next();
    label.len() <= LONGEST_LABEL && label.bytes().all(is_allowed) && first.is_some_and(|byte| !byte.is_ascii_digit())
}

/// Checks that Parameter Store can have a name, or an ARN.
///
/// # Errors
/// One sentence without a full stop.
pub(super) fn check(name: &str) -> Result<(), String> {
    let own = match name.strip_prefix("arn:") {
        Some(rest) => {
            let mut parts = rest.splitn(5, ':');
            let (partition, service) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
            let resource = parts.next().and_then(|resource| resource.strip_prefix("parameter"));
            match resource {
                Some(own) if partition.starts_with("aws") && service == "ssm" && !region.is_empty() && is_account => {
                    own
                }
                _ => return Err(format!("{name} is not the ARN of a parameter")),
            }
        }
        None => name,
    };
    if !is_possible(own) || is_too_long(own) {
        return Err(format!("Parameter Store cannot have a parameter with the name {name}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_to_the_letter_but_for_their_version() {
        const ARN: &str = "arn:aws:ssm:eu-central-1:111122223333:parameter/shop/db";
        for (key, version, name, expected) in [
            ("/shop/db", None, "/shop/db", (None, None)),
            ("shop", Some("3"), "shop", (Some(3), None)),
            ("/shop/db", Some("prod"), "/shop/db", (None, Some("prod"))),
            ("/shop/db:3", None, "/shop/db", (Some(3), None)),
            (&format!("{ARN}:blue"), None, ARN, (None, Some("blue"))),
            (ARN, Some("12"), ARN, (Some(12), None)),
        ] {
            let (found, options) = split(key, version).expect(key);
            assert_eq!((found.as_str(), (options.version, options.label.as_deref())), (name, expected));
            assert_eq!(check(&found), Ok(()));
        }
        for (key, version) in [("/a:3", Some("4")), ("/a", Some("0")), ("/a", Some("1.5!")), ("/a", Some("3a"))] {
            assert!(split(key, version).is_err(), "{key} {version:?}");
        }
        for name in ["/a//b", "/a b", "a/", "", "arn:aws:s3:::x", "arn:aws:ssm:eu-central-1:1:parameter/x"] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
