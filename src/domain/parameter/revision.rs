//! Metadata of parameters, and the digest that stands for all of an object's parameters.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::jiff::Timestamp;

use crate::domain::{digest::TextDigest, parameter::name::ParameterRef};

/// What Parameter Store says of one version of a parameter besides its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// ARN.
    pub arn: Arc<str>,
    /// Version. Restarts at 1 when a parameter is deleted and created again.
    pub version: i64,
    /// When this version was written, to the millisecond.
    pub last_modified: Option<Timestamp>,
    /// `SecureString`, `String` or `StringList`.
    pub type_: Arc<str>,
    /// Version of the secret that a reference to Secrets Manager leads to; the parameter's own is always 0.
    pub secret_version: Option<String>,
}

/// The state of an object's parameters; `None` marks one that does not exist.
pub type Versions = BTreeMap<ParameterRef, Option<Metadata>>;

/// Digest over store, identity and the sorted parameters: equal exactly if the same versions of the same parameters
/// would be read from the same place by the same identity. Made of metadata only.
///
/// `source` says where and as whom, for example `ClusterParameterStore/default/<uid>/eu-central-1/ambient`.
pub fn source_revision(source: &str, versions: &Versions) -> String {
    let mut digest = TextDigest::default();
    digest.add(source);
    for (parameter_ref, metadata) in versions {
        digest.add(&parameter_ref.arn);
        digest.add(&parameter_ref.selector.as_ref().map(ToString::to_string).unwrap_or_default());
        match metadata {
            None => digest.add("absent"),
            Some(metadata) => {
                digest.add(&metadata.version.to_string());
                digest.add(&metadata.last_modified.map(|t| t.as_millisecond().to_string()).unwrap_or_default());
                metadata.secret_version.iter().for_each(|version| digest.add(version));
            }
        }
    }
    format!("sha256:{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::parameter::{scope::Scope, selector::Selector};

    type Entry<'a> = (&'a str, Option<Selector>, Option<(i64, i64)>);

    fn versions(entries: &[Entry<'_>]) -> Versions {
        let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        let entry = |(name, selector, version): &Entry<'_>| {
            let parameter_ref = ParameterRef::new(name, selector.clone(), &scope);
            let metadata = version.map(|(version, modified)| Metadata {
                arn: parameter_ref.arn.clone(),
                version,
                last_modified: Timestamp::from_millisecond(modified).ok(),
                type_: "SecureString".into(),
                secret_version: None,
            });
            (parameter_ref, metadata)
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn the_revision_changes_with_everything_that_counts() {
        let base = source_revision("s", &versions(&[("/a", None, Some((1, 1_000)))]));
        assert!(base.starts_with("sha256:") && base.len() == 71);
        for other in [
            source_revision("t", &versions(&[("/a", None, Some((1, 1_000)))])),
            source_revision("s", &versions(&[("/b", None, Some((1, 1_000)))])),
            source_revision("s", &versions(&[("/a", Some(Selector::Version(1)), Some((1, 1_000)))])),
            source_revision("s", &versions(&[("/a", None, Some((2, 1_000)))])),
            source_revision("s", &versions(&[("/a", None, Some((1, 1_001)))])),
            source_revision("s", &versions(&[("/a", None, None)])),
            source_revision("s", &versions(&[("/a", None, Some((1, 1_000))), ("/b", None, None)])),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn spelling_and_order_do_not_count() {
        let one = versions(&[("/a", None, Some((1, 1))), ("/b", None, Some((1, 1)))]);
        let two = versions(&[("b", None, Some((1, 1))), ("a", None, Some((1, 1)))]);
        assert_eq!(source_revision("s", &one), source_revision("s", &two));
    }
}
