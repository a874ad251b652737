//! Keys in a Secret that others made: whether it consents, and whose a key is.

use std::collections::BTreeSet;

use crate::api::{Reason, names};
use crate::domain::{
    Fault,
    ownership::owner::{Claimant, FieldOwnership, SecretMetadata, Verdict},
    report::text::list,
};

impl SecretMetadata {
    /// Whether a Secret that others made takes keys of an object.
    pub fn takes_keys_of(&self, claimant: Claimant<'_>) -> bool {
        self.allow.as_deref().is_some_and(|allow| {
            allow == names::ALLOW_MERGE || allow == format!("{}/{}", claimant.namespace, claimant.name)
        })
    }
}

/// Judges whether `claimant` may put keys into the Secret.
///
/// `holder` gives the name of the living `SecureParameter` with a uid.
pub fn judge(
    existing: Option<&SecretMetadata>,
    claimant: Claimant<'_>,
    holder: impl Fn(&str) -> Option<String>,
) -> Verdict {
    let refuse = |message| Verdict::Refuse(Fault::new(Reason::SecretConflict, message));
    let secret = claimant.secret;
    let consent = format!("{}={}/{}", names::ALLOW_ANNOTATION, claimant.namespace, claimant.name);
    let Some(facts) = existing else {
        return refuse(format!(
            "Secret {secret} does not exist, and with creationPolicy Merge it is for others to make; create it with the \
             annotation {consent}."
        ));
    };
    if facts.deleting {
        return refuse(format!("Secret {secret} is being deleted; create it again with the annotation {consent}."));
    }
    if facts.owner_uid.as_deref() == Some(claimant.uid) {
        return refuse(format!(
            "Secret {secret} is one that this very object has written whole, with creationPolicy Owner; choose another \
             spec.target.name, or delete the Secret and have others make it."
        ));
    }
    if let Some(name) = facts.owner_uid.as_deref().and_then(holder) {
        return refuse(format!(
            "Secret {secret} is written whole by SecureParameter {name}; choose another spec.target.name, or \
             have {name} write these keys too."
        ));
    }
    if !facts.takes_keys_of(claimant) {
        return refuse(format!(
            "Secret {secret} does not consent to keys of others; it is left as it is: set the annotation {consent} on it."
        ));
    }
    Verdict::Apply { uid: facts.uid.clone() }
}

/// Whether keys have to be taken back from others to be written. `before` is what we held when we wrote last, `holder`
/// what to call a field manager.
///
/// # Errors
/// `SecretConflict` for keys that others hold and that were never ours.
pub fn must_take_back<'a>(
    secret: &str,
    keys: impl Iterator<Item = &'a str>,
    now: &FieldOwnership,
    before: Option<&FieldOwnership>,
    holder: impl Fn(&str) -> String,
) -> Result<bool, Fault> {
    let is_of = |fields: &FieldOwnership, key: &str| fields.ours.contains(&format!("data/{key}"));
    let held = now.foreign_keys();
    let wanted: BTreeSet<_> = keys.filter(|key| held.contains(key)).collect();
    let (lost, theirs): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|key| before.is_some_and(|before| is_of(before, key)));
    if theirs.is_empty() {
        return Ok(!lost.is_empty());
    }
    let holders: BTreeSet<_> = now
        .foreign
        .iter()
        .filter(|(path, _)| path.strip_prefix("data/").is_some_and(|key| theirs.contains(&key)))
        .map(|(_, manager)| holder(manager))
        .collect();
    let message = format!(
        "Secret {secret} holds {} already, of {}; rename it in the spec, or remove it there.",
        list(&theirs),
        list(&holders.into_iter().collect::<Vec<_>>())
    );
    Err(Fault::new(Reason::SecretConflict, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Claimant<'_> = Claimant { namespace: "shop", name: "checkout", uid: "me", secret: "s" };

    fn facts(allow: Option<&str>) -> SecretMetadata {
        SecretMetadata { uid: "uid".into(), allow: allow.map(str::to_owned), ..SecretMetadata::default() }
    }

    #[test]
    fn a_secret_takes_keys_if_it_says_so() {
        let owned = SecretMetadata { owner_uid: Some("other".into()), ..facts(Some("merge")) };
        let orphaned = SecretMetadata { owner_uid: Some("gone".into()), ..facts(Some("merge")) };
        let deleting = SecretMetadata { deleting: true, ..facts(Some("merge")) };
        for (existing, words) in [
            (Some(facts(Some("merge"))), None),
            (Some(facts(Some("shop/checkout"))), None),
            (Some(orphaned), None),
            (Some(facts(Some("shop/other"))), Some("does not consent")),
            (Some(facts(Some("true"))), Some("secureparameter.io/allow=shop/checkout")),
            (Some(facts(None)), Some("does not consent")),
            (None, Some("does not exist")),
            (Some(SecretMetadata { owner_uid: Some("me".into()), ..facts(Some("merge")) }), Some("this very object")),
            (Some(owned), Some("SecureParameter other")),
            (Some(deleting), Some("being deleted")),
        ] {
            let holder = |uid: &str| (uid == "other").then(|| "other".to_owned());
            match (judge(existing.as_ref(), ME, holder), words) {
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
    fn only_keys_that_were_ours_are_taken_back() {
        let fields = |ours: &[&str], foreign: &[(&str, &str)]| FieldOwnership {
            ours: ours.iter().map(|key| format!("data/{key}")).collect(),
            foreign: foreign.iter().map(|(key, manager)| (format!("data/{key}"), (*manager).to_owned())).collect(),
            ..FieldOwnership::default()
        };
        let check = |now: &FieldOwnership, before: Option<&FieldOwnership>| {
            must_take_back("s", ["A", "B"].into_iter(), now, before, str::to_owned).map_err(|fault| fault.message)
        };
        assert_eq!(check(&fields(&["A", "B"], &[("C", "helm")]), None), Ok(false), "keys of others beside ours");
        assert_eq!(check(&fields(&["A"], &[("A", "helm")]), None), Ok(false), "held together");
        let stolen = fields(&["A"], &[("B", "vim")]);
        assert_eq!(check(&stolen, Some(&fields(&["A", "B"], &[]))), Ok(true));
        for before in [None, Some(fields(&["A"], &[]))] {
            let message = check(&stolen, before.as_ref()).expect_err("a refusal");
            assert!(message.contains("holds B already, of vim"), "{message}");
        }
    }
}
