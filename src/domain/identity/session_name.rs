//! Names of role sessions. CloudTrail shows them with every call, so they say for whom it was made.

use sha2::{Digest, Sha256};

/// Most characters of a session name (STS API reference, AssumeRole).
const LONGEST: usize = 64;
/// Most characters of the cluster in a name that is too long, so that there is room for the namespace.
const LONGEST_CLUSTER: usize = 16;
/// Characters of the digest that tells long names apart.
const DIGEST: usize = 8;

/// Returns `spo-<cluster>-<namespace>-<name>`, without what is empty. A name that is too long is cut and ends with a digest of
/// all of it, so that no two become the same.
pub(crate) fn session_name(cluster: &str, namespace: Option<&str>, name: &str) -> String {
    let joined = |cluster: &str| {
        let parts = ["spo", cluster, namespace.unwrap_or_default(), name];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("-")
    };
    // STS allows these: `[\w+=,.@-]*`.
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '_' };
    let full = joined(cluster);
    if full.len() <= LONGEST && full.chars().all(|c| allowed(c) == c) {
        return full;
    }
    let short: String = cluster.chars().take(LONGEST_CLUSTER).collect();
    let clean: String = joined(&short).chars().map(allowed).collect();
    let digest = Sha256::digest(full.as_bytes());
    let digest = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
    let cut: String = clean.chars().take(LONGEST - DIGEST - 1).collect();
    format!("{cut}-{digest:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_after_cluster_namespace_and_store() {
        for (cluster, namespace, name, expected) in [
            ("prod", Some("shop"), "default", "spo-prod-shop-default"),
            ("", Some("shop"), "default", "spo-shop-default"),
            ("prod", None, "default", "spo-prod-default"),
            ("", None, "default", "spo-default"),
        ] {
            assert_eq!(session_name(cluster, namespace, name), expected);
        }
    }

    #[test]
    fn a_name_that_sts_does_not_take_is_cut_and_stays_unique() {
        let long = "x".repeat(63);
        let [one, other] = ["a", "b"].map(|end| session_name("prod", Some(&long), &format!("store-{end}")));
        assert_eq!((one.len(), other.len()), (64, 64));
        assert_ne!(one, other);
        assert!(one.starts_with("spo-prod-xxx"), "{one}");
        let replaced = session_name("my cluster/é", None, "a");
        assert!(replaced.starts_with("spo-my_cluster__-a-"), "{replaced}");
        assert_ne!(replaced, session_name("my_cluster__", None, "a"));
        assert!(session_name(&"é".repeat(100), None, "a").len() <= 64);
        let named = session_name(&"c".repeat(100), Some("shop"), "default");
        assert!(named.starts_with("spo-cccccccccccccccc-shop-default-"), "{named}");
        let [one, other] = ["a", "b"].map(|end| session_name(&format!("{}{end}", "c".repeat(80)), None, ""));
        assert_ne!(one, other);
    }
}
