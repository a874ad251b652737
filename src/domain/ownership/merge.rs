//! Whether an object may add its keys to a Secret of another owner (`creationPolicy: Merge`), and which keys are its own.

use std::collections::BTreeSet;

use crate::api::Reason;
use crate::domain::{
    ownership::types::{Claimant, FieldOwnership, SecretMetadata, Verdict},
    report::{fault::Fault, text::list},
};

/// Decides whether `claimant` may add keys to the Secret.
///
/// `living_object` returns the name of the `SecureParameter` with a uid if that object exists.
pub(crate) fn decide_merge(
    existing: Option<&SecretMetadata>,
    claimant: Claimant<'_>,
    living_object: impl Fn(&str) -> Option<String>,
) -> Verdict {
    let (name, consent) = (claimant.secret, claimant.consent());
    let refuse = |message| Verdict::Refuse(Fault::new(Reason::SecretConflict, message));
    let Some(secret) = existing else {
        return refuse(format!(
            "Secret {name} does not exist, and creationPolicy Merge only adds keys to an existing one; create it with the \
             annotation {consent}."
        ));
    };
    if secret.deleting {
        return refuse(format!("Secret {name} is being deleted; create it again with the annotation {consent}."));
    }
    if secret.owner_uid.as_deref() == Some(claimant.uid) {
        return refuse(format!(
            "Secret {name} was created by this SecureParameter with creationPolicy Owner; choose another \
             spec.target.name, or delete the Secret and have its new owner create it."
        ));
    }
    if let Some(owner) = secret.owner_uid.as_deref().and_then(living_object) {
        return refuse(format!(
            "Secret {name} belongs to SecureParameter {owner}; choose another spec.target.name, or add these keys to \
             {owner}."
        ));
    }
    if !secret.consents_to_merge(claimant) {
        return refuse(format!(
            "Secret {name} does not consent to keys of other objects; set the annotation {consent} on it."
        ));
    }
    Verdict::Apply { uid: secret.uid.clone() }
}

/// Reports whether an apply must force conflicts, since other managers own keys that were ours.
///
/// `before` is the field ownership after our last write; `describe` returns what to call a field manager in a message.
///
/// # Errors
/// `SecretConflict` for keys that other managers own and that were never ours.
pub(crate) fn must_force<'a>(
    secret: &str,
    keys: impl Iterator<Item = &'a str>,
    now: &FieldOwnership,
    before: Option<&FieldOwnership>,
    describe: impl Fn(&str) -> String,
) -> Result<bool, Fault> {
    let foreign_keys = now.foreign_keys();
    let contested: BTreeSet<_> = keys.filter(|key| foreign_keys.contains(key)).collect();
    let (lost, never_ours): (BTreeSet<_>, BTreeSet<_>) =
        contested.into_iter().partition(|key| before.is_some_and(|before| before.owns_key(key)));
    if never_ours.is_empty() {
        return Ok(!lost.is_empty());
    }
    let managers: BTreeSet<_> = now
        .foreign
        .iter()
        .filter(|(path, _)| path.strip_prefix("data/").is_some_and(|key| never_ours.contains(&key)))
        .map(|(_, manager)| describe(manager))
        .collect();
    let message = format!(
        "Secret {secret} already has {}, set by {}; rename the key in the spec, or remove it from the Secret.",
        list(&never_ours.iter().collect::<Vec<_>>()),
        list(&managers.into_iter().collect::<Vec<_>>())
    );
    Err(Fault::new(Reason::SecretConflict, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Claimant<'_> = Claimant { namespace: "shop", name: "checkout", uid: "me", secret: "s" };

    fn metadata(allow: Option<&str>) -> SecretMetadata {
        SecretMetadata { uid: "uid".into(), allow: allow.map(str::to_owned), ..SecretMetadata::default() }
    }

    #[test]
    fn a_secret_accepts_keys_if_it_consents_and_has_no_other_owner() {
        let owned = SecretMetadata { owner_uid: Some("other".into()), ..metadata(Some("merge")) };
        let orphaned = SecretMetadata { owner_uid: Some("gone".into()), ..metadata(Some("merge")) };
        let deleting = SecretMetadata { deleting: true, ..metadata(Some("merge")) };
        for (existing, words) in [
            (Some(metadata(Some("merge"))), None),
            (Some(metadata(Some("shop/checkout"))), None),
            (Some(orphaned), None),
            (Some(metadata(Some("shop/other"))), Some("does not consent")),
            (Some(metadata(Some("true"))), Some("secureparameter.io/allow=shop/checkout")),
            (Some(metadata(None)), Some("does not consent")),
            (None, Some("does not exist")),
            (
                Some(SecretMetadata { owner_uid: Some("me".into()), ..metadata(Some("merge")) }),
                Some("created by this SecureParameter"),
            ),
            (Some(owned), Some("belongs to SecureParameter other")),
            (Some(deleting), Some("being deleted")),
        ] {
            let living_object = |uid: &str| (uid == "other").then(|| "other".to_owned());
            match (decide_merge(existing.as_ref(), ME, living_object), words) {
                (Verdict::Apply { uid }, None) => assert_eq!(uid, "uid"),
                (Verdict::Refuse(fault), Some(words)) => {
                    assert_eq!(fault.reason, Reason::SecretConflict);
                    assert!(fault.message.contains(words), "{} lacks {words}", fault.message);
                }
                (verdict, _) => unreachable!("{existing:?}: {verdict:?}"),
            }
        }
    }

    #[test]
    fn only_keys_that_were_ours_are_forced() {
        let fields = |ours: &[&str], foreign: &[(&str, &str)]| FieldOwnership {
            ours: ours.iter().map(|key| format!("data/{key}")).collect(),
            foreign: foreign.iter().map(|(key, manager)| (format!("data/{key}"), (*manager).to_owned())).collect(),
            ..FieldOwnership::default()
        };
        let check = |now: &FieldOwnership, before: Option<&FieldOwnership>| {
            must_force("s", ["A", "B"].into_iter(), now, before, str::to_owned).map_err(|fault| fault.message)
        };
        assert_eq!(
            check(&fields(&["A", "B"], &[("C", "helm")]), None),
            Ok(false),
            "keys of other managers beside ours"
        );
        assert_eq!(check(&fields(&["A"], &[("A", "helm")]), None), Ok(false), "owned by both");
        let stolen = fields(&["A"], &[("B", "vim")]);
        assert_eq!(check(&stolen, Some(&fields(&["A", "B"], &[]))), Ok(true));
        for before in [None, Some(fields(&["A"], &[]))] {
            let message = check(&stolen, before.as_ref()).expect_err("a refusal");
            assert!(message.contains("already has B, set by vim"), "{message}");
        }
    }
}
