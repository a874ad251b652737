//! Fifth stage: whose Secret is it, and may we write it?

use std::collections::BTreeSet;

use crate::api::{Reason, names};
use crate::domain::{Fault, report::text::list};

/// A Secret's metadata, as far as ownership goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretMetadata {
    /// uid.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
    /// Value of the label that marks the holder.
    pub owner_uid: Option<String>,
    /// Value of the annotation with the holder's name.
    pub owner: Option<String>,
    /// Value of the annotation by which a foreign Secret consents.
    pub allow: Option<String>,
    /// Kind and name of the controlling owner, if there is one.
    pub controller: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Which field managers hold what.
    pub fields: FieldOwnership,
}

/// What `managedFields` says, reduced to what the operator asks of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldOwnership {
    /// Paths that our field manager holds.
    pub ours: BTreeSet<String>,
    /// Paths within data, type or our own metadata that others hold, with the manager.
    pub foreign: BTreeSet<(String, String)>,
    /// All other managers, for messages.
    pub managers: BTreeSet<String>,
}

impl FieldOwnership {
    /// Keys of the Secret's data that only others hold: not part of what was written.
    pub fn foreign_keys(&self) -> BTreeSet<&str> {
        self.foreign
            .iter()
            .filter(|(path, _)| !self.ours.contains(path))
            .filter_map(|(path, _)| path.strip_prefix("data/"))
            .collect()
    }
}

/// The object that wants the Secret.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// Namespace of object and Secret.
    pub namespace: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// uid of the object.
    pub uid: &'a str,
    /// Name of the Secret.
    pub secret: &'a str,
}

/// What may be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is none: create it.
    Create,
    /// It is ours, or ours to take: write it, pinned to this uid.
    Apply {
        /// uid of the Secret.
        uid: String,
    },
    /// Hands off.
    Refuse(Fault),
}

/// Judges whether `claimant` may write the Secret.
///
/// `holder` gives the name of the living `SecureParameter` with a uid. `older_sibling` is the name of an older object
/// that wants the same Secret.
pub fn judge(
    existing: Option<&SecretMetadata>,
    claimant: Claimant<'_>,
    holder: impl Fn(&str) -> Option<String>,
    older_sibling: Option<&str>,
) -> Verdict {
    let Some(secret) = existing else {
        return older_sibling.map_or(Verdict::Create, |sibling| held_by(claimant, sibling));
    };
    if secret.deleting {
        let message = format!("Secret {} is being deleted; the operator creates it again after that.", claimant.secret);
        return Verdict::Refuse(Fault::new(Reason::SecretWriteFailed, message));
    }
    let apply = || Verdict::Apply { uid: secret.uid.clone() };
    let consents = secret.allow.as_deref() == Some(&format!("{}/{}", claimant.namespace, claimant.name));
    let names_us = secret.owner.as_deref() == Some(claimant.name);
    match secret.owner_uid.as_deref() {
        Some(uid) if uid == claimant.uid => apply(),
        Some(uid) => match holder(uid) {
            Some(name) => held_by(claimant, &name),
            // The holder is gone. Retained for an object of our name, or handed over on purpose.
            None if names_us || consents => apply(),
            None => foreign(claimant, secret),
        },
        None if names_us || consents => apply(),
        None => foreign(claimant, secret),
    }
}

fn held_by(claimant: Claimant<'_>, holder: &str) -> Verdict {
    let message = format!(
        "Secret {} belongs to SecureParameter {holder}; choose another spec.target.name, or delete {holder}.",
        claimant.secret
    );
    Verdict::Refuse(Fault::new(Reason::SecretConflict, message))
}

fn foreign(claimant: Claimant<'_>, secret: &SecretMetadata) -> Verdict {
    let owner = match (&secret.controller, &secret.owner) {
        (Some(controller), _) => format!("is controlled by {controller}"),
        (None, Some(owner)) => format!("was left by SecureParameter {owner}"),
        (None, None) if secret.fields.managers.is_empty() => "was not made by this operator".to_owned(),
        (None, None) => format!("was made by {}", list(&secret.fields.managers.iter().collect::<Vec<_>>())),
    };
    let message = format!(
        "Secret {} exists and {owner}; it is left as it is: choose another spec.target.name, delete it, or hand it over \
         with the annotation {}={}/{} on the Secret.",
        claimant.secret,
        names::ALLOW_ANNOTATION,
        claimant.namespace,
        claimant.name
    );
    Verdict::Refuse(Fault::new(Reason::SecretConflict, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Claimant<'_> = Claimant { namespace: "shop", name: "checkout", uid: "me", secret: "checkout" };

    fn secret() -> SecretMetadata {
        SecretMetadata { uid: "s".into(), resource_version: "1".into(), ..SecretMetadata::default() }
    }

    fn reason(verdict: Verdict) -> Option<Reason> {
        match verdict {
            Verdict::Refuse(fault) => Some(fault.reason),
            _ => None,
        }
    }

    #[test]
    fn verdicts() {
        let alive = |uid: &str| (uid == "alive").then(|| "other".to_owned());
        let some = |text: &str| Some(text.to_owned());
        let apply = Verdict::Apply { uid: "s".into() };

        assert_eq!(judge(None, ME, alive, None), Verdict::Create);
        assert_eq!(reason(judge(None, ME, alive, Some("elder"))), Some(Reason::SecretConflict));

        let mine = SecretMetadata { owner_uid: some("me"), ..secret() };
        assert_eq!(judge(Some(&mine), ME, alive, Some("elder")), apply, "the holder wins over age");

        let held = SecretMetadata { owner_uid: some("alive"), owner: some("checkout"), ..secret() };
        assert_eq!(reason(judge(Some(&held), ME, alive, None)), Some(Reason::SecretConflict));

        let retained = SecretMetadata { owner_uid: some("dead"), owner: some("checkout"), ..secret() };
        assert_eq!(judge(Some(&retained), ME, alive, None), apply);
        let retained_by_other = SecretMetadata { owner_uid: some("dead"), owner: some("other"), ..secret() };
        assert_eq!(reason(judge(Some(&retained_by_other), ME, alive, None)), Some(Reason::SecretConflict));

        let released = SecretMetadata { owner: some("checkout"), ..secret() };
        assert_eq!(judge(Some(&released), ME, alive, None), apply);

        assert_eq!(reason(judge(Some(&secret()), ME, alive, None)), Some(Reason::SecretConflict));
        for (allow, expected) in
            [("shop/checkout", None), ("checkout", Some(Reason::SecretConflict)), ("*", Some(Reason::SecretConflict))]
        {
            let consenting = SecretMetadata { allow: some(allow), ..secret() };
            assert_eq!(reason(judge(Some(&consenting), ME, alive, None)), expected, "{allow}");
        }
        let deleting = SecretMetadata { deleting: true, ..mine };
        assert_eq!(reason(judge(Some(&deleting), ME, alive, None)), Some(Reason::SecretWriteFailed));
    }

    #[test]
    fn a_refusal_says_who_owns_it_and_how_to_consent() {
        let fields = FieldOwnership { managers: ["helm".to_owned()].into(), ..FieldOwnership::default() };
        let foreign = SecretMetadata { fields, ..secret() };
        let Verdict::Refuse(fault) = judge(Some(&foreign), ME, |_| None, None) else { unreachable!("a refusal") };
        for part in ["made by helm", "secureparameter.io/allow=shop/checkout"] {
            assert!(fault.message.contains(part), "{}", fault.message);
        }
    }
}
