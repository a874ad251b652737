//! Whether an object may create or replace a whole Secret (`creationPolicy: Owner`).

use crate::api::Reason;
use crate::domain::{
    ownership::types::{Claimant, SecretMetadata, Verdict},
    report::{fault::Fault, text::list},
};

/// Decides whether `claimant` may write the Secret.
///
/// `living_object` returns the name of the `SecureParameter` with a uid if that object exists. `older_sibling` is the name
/// of an older object with the same target; age decides only while there is no Secret.
pub(crate) fn decide_ownership(
    existing: Option<&SecretMetadata>,
    claimant: Claimant<'_>,
    living_object: impl Fn(&str) -> Option<String>,
    older_sibling: Option<&str>,
) -> Verdict {
    let Some(secret) = existing else {
        return older_sibling.map_or(Verdict::Create, |sibling| refuse_owned(claimant, sibling));
    };
    if secret.deleting {
        let message = format!("Secret {} is being deleted; the operator creates it again after that.", claimant.secret);
        return Verdict::Refuse(Fault::new(Reason::SecretWriteFailed, message));
    }
    let owner_uid = secret.owner_uid.as_deref();
    let living_owner = owner_uid.filter(|uid| *uid != claimant.uid).and_then(living_object);
    if let Some(owner) = living_owner {
        return refuse_owned(claimant, &owner);
    }
    let uid = secret.uid.clone();
    // The API server accepts no second controller, and the garbage collector would delete the Secret with the first.
    let is_controlled = secret.foreign_controller(claimant.uid).is_some();
    if owner_uid == Some(claimant.uid) {
        return if is_controlled { Verdict::TakeOver { uid } } else { Verdict::Apply { uid } };
    }
    if secret.consents_to_takeover(claimant) {
        return Verdict::TakeOver { uid };
    }
    // Without a living owner: retained for an object of this name, or handed over on purpose.
    let was_left_to_us = secret.owner.as_deref() == Some(claimant.name) && !is_controlled;
    if was_left_to_us { Verdict::Apply { uid } } else { refuse_foreign(claimant, secret) }
}

fn refuse_owned(claimant: Claimant<'_>, owner: &str) -> Verdict {
    let message = format!(
        "Secret {} belongs to SecureParameter {owner}; choose another spec.target.name, or delete {owner}.",
        claimant.secret
    );
    Verdict::Refuse(Fault::new(Reason::SecretConflict, message))
}

fn refuse_foreign(claimant: Claimant<'_>, secret: &SecretMetadata) -> Verdict {
    let origin = match (&secret.controller, &secret.owner) {
        (Some(controller), _) => format!("is controlled by {}", controller.name),
        (None, Some(owner)) => format!("was left behind by SecureParameter {owner}"),
        (None, None) if secret.fields.managers.is_empty() => "was not created by this operator".to_owned(),
        (None, None) => format!("was created by {}", list(&secret.fields.managers.iter().collect::<Vec<_>>())),
    };
    let message = format!(
        "Secret {} already exists and {origin}; choose another spec.target.name, delete the Secret, or set the annotation \
         {} on it: the Secret is then handed over, or only gets keys of this object if spec.target.creationPolicy is Merge.",
        claimant.secret,
        claimant.consent()
    );
    Verdict::Refuse(Fault::new(Reason::SecretConflict, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ownership::types::{Controller, FieldOwnership};

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
    fn the_living_owner_wins_and_consent_or_name_decides_without_one() {
        let alive = |uid: &str| (uid == "alive").then(|| "other".to_owned());
        let some = |text: &str| Some(text.to_owned());
        let apply = Verdict::Apply { uid: "s".into() };

        assert_eq!(decide_ownership(None, ME, alive, None), Verdict::Create);
        assert_eq!(reason(decide_ownership(None, ME, alive, Some("older"))), Some(Reason::SecretConflict));

        let mine = SecretMetadata { owner_uid: some("me"), ..secret() };
        assert_eq!(decide_ownership(Some(&mine), ME, alive, Some("older")), apply, "the owner wins over age");

        let owned = SecretMetadata { owner_uid: some("alive"), owner: some("checkout"), ..secret() };
        assert_eq!(reason(decide_ownership(Some(&owned), ME, alive, None)), Some(Reason::SecretConflict));

        let retained = SecretMetadata { owner_uid: some("dead"), owner: some("checkout"), ..secret() };
        assert_eq!(decide_ownership(Some(&retained), ME, alive, None), apply);
        let retained_by_other = SecretMetadata { owner_uid: some("dead"), owner: some("other"), ..secret() };
        assert_eq!(reason(decide_ownership(Some(&retained_by_other), ME, alive, None)), Some(Reason::SecretConflict));

        let released = SecretMetadata { owner: some("checkout"), ..secret() };
        assert_eq!(decide_ownership(Some(&released), ME, alive, None), apply);

        assert_eq!(reason(decide_ownership(Some(&secret()), ME, alive, None)), Some(Reason::SecretConflict));
        for (allow, expected) in
            [("shop/checkout", None), ("checkout", Some(Reason::SecretConflict)), ("*", Some(Reason::SecretConflict))]
        {
            let consenting = SecretMetadata { allow: some(allow), ..secret() };
            assert_eq!(reason(decide_ownership(Some(&consenting), ME, alive, None)), expected, "{allow}");
        }

        let controlled_by = |uid: &str| Some(Controller { name: "ExternalSecret checkout".into(), uid: uid.into() });
        let take_over = Verdict::TakeOver { uid: "s".into() };
        let handed_over = SecretMetadata { allow: some("shop/checkout"), controller: controlled_by("eso"), ..secret() };
        assert_eq!(decide_ownership(Some(&handed_over), ME, alive, None), take_over);
        let taken_by_another = SecretMetadata { controller: controlled_by("eso"), ..released };
        assert_eq!(reason(decide_ownership(Some(&taken_by_another), ME, alive, None)), Some(Reason::SecretConflict));
        let returned = SecretMetadata { allow: some("shop/checkout"), ..taken_by_another };
        assert_eq!(decide_ownership(Some(&returned), ME, alive, None), take_over);
        let claimed_by_another = SecretMetadata { controller: controlled_by("eso"), ..mine.clone() };
        assert_eq!(decide_ownership(Some(&claimed_by_another), ME, alive, None), take_over);
        let ours = SecretMetadata { allow: some("shop/checkout"), controller: controlled_by("me"), ..mine.clone() };
        assert_eq!(decide_ownership(Some(&ours), ME, alive, None), apply, "taken over before");
        let deleting = SecretMetadata { deleting: true, ..mine };
        assert_eq!(reason(decide_ownership(Some(&deleting), ME, alive, None)), Some(Reason::SecretWriteFailed));
    }

    #[test]
    fn a_refusal_says_who_owns_it_and_how_to_consent() {
        let fields = FieldOwnership { managers: ["helm".to_owned()].into(), ..FieldOwnership::default() };
        let foreign = SecretMetadata { fields, ..secret() };
        let Verdict::Refuse(fault) = decide_ownership(Some(&foreign), ME, |_| None, None) else {
            unreachable!("a refusal")
        };
        for part in ["created by helm", "secureparameter.io/allow=shop/checkout", "creationPolicy is Merge"] {
            assert!(fault.message.contains(part), "{}", fault.message);
        }
    }
}
