//! The write of one Secret: verdict, desired state, apply, and what becomes of the former target.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

use crate::{
    api::{Reason, ReclaimPolicy, SecureParameter, names, status::WrittenSecret},
    controller::{context::Context, locked},
    domain::{
        Fault,
        ownership::{Claimant, SecretFacts, Verdict, judge},
        render::Data,
    },
    kubernetes::{Desired, WriteError},
};

/// What may be written: the verdict on a Secret at one time.
pub struct Permit {
    /// uid of the Secret that is there; `None` if there is none.
    pub uid: Option<String>,
}

/// Judges whether `object` may write its Secret.
///
/// # Errors
/// `SecretConflict` if it is not the object's to write; `SecretWriteFailed` if the API server does not answer.
pub async fn permit(object: &SecureParameter, context: &Context) -> Result<Permit, Fault> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.secret_name());
    let uid = object.uid().unwrap_or_default();
    let existing = context.secrets.facts(&namespace, name).await.map_err(|error| write_failed(name, &error))?;
    let claimant = Claimant { namespace: &namespace, name: &object.name_any(), uid: &uid, secret: name };
    let verdict = {
        let index = locked(&context.index);
        let older = index.older_sibling(&namespace, name, &uid);
        judge(existing.as_ref(), claimant, |uid| index.living(&namespace, uid), older.as_deref())
    };
    // A Secret in the way is followed, so that its deletion or consent is noticed at once.
    let in_the_way = matches!(verdict, Verdict::Refuse(_)) && existing.is_some();
    context.named_secrets.follow(&uid, in_the_way.then_some((namespace.as_str(), name)));
    match verdict {
        Verdict::Create => Ok(Permit { uid: None }),
        Verdict::Apply { uid } => Ok(Permit { uid: Some(uid) }),
        Verdict::Refuse(fault) => Err(fault),
    }
}

/// Writes the Secret of `object`.
///
/// # Errors
/// `SecretConflict` or `SecretWriteFailed`; the Secret is then as it was.
pub async fn write(
    object: &SecureParameter,
    data: Data<'_>,
    permit: &Permit,
    context: &Context,
) -> Result<SecretFacts, Fault> {
    let namespace = object.namespace().unwrap_or_default();
    let desired = desired(object, &namespace, data);
    let written = match &permit.uid {
        None => create(&desired, context).await,
        Some(uid) => match context.secrets.apply(&desired, uid).await {
            Err(WriteError::Immutable) => {
                // Type and immutability cannot change in place. The Secret is ours, and this very one.
                context
                    .secrets
                    .delete(&namespace, desired.name, uid)
                    .await
                    .map_err(|e| write_failed(desired.name, &e))?;
                create(&desired, context).await
            }
            other => other.map_err(|error| write_failed(desired.name, &error)),
        },
    }?;
    context.metrics.secret_written();
    Ok(written)
}

async fn create(desired: &Desired<'_>, context: &Context) -> Result<SecretFacts, Fault> {
    let failed = |error: WriteError| write_failed(desired.name, &error);
    let facts = context.secrets.create(desired).await.map_err(failed)?;
    if facts.fields.managers.is_empty() {
        return Ok(facts);
    }
    // Somebody created a Secret of this name between the verdict and the write, and ours was merged into it.
    context.secrets.withdraw(desired.namespace, desired.name, &facts.uid).await.map_err(failed)?;
    let makers: Vec<_> = facts.fields.managers.iter().map(String::as_str).collect();
    let message = format!(
        "Secret {} was created by {} at the same moment; it is left as they made it: choose another spec.target.name, or \
         delete it.",
        desired.name,
        makers.join(", ")
    );
    Err(Fault::new(Reason::SecretConflict, message))
}

/// Deals with the Secret under the former name of the target, once the new one is written: deletes it, or lets go of it
/// where it is to be retained.
///
/// # Errors
/// `SecretWriteFailed`.
pub async fn retire(object: &SecureParameter, former: &WrittenSecret, context: &Context) -> Result<(), Fault> {
    let namespace = object.namespace().unwrap_or_default();
    let failed = |error: WriteError| write_failed(&former.name, &error);
    let facts = context.secrets.facts(&namespace, &former.name).await.map_err(failed)?;
    let is_ours = facts.is_some_and(|facts| facts.uid == former.uid && facts.owner_uid == object.uid());
    if !is_ours {
        return Ok(());
    }
    match object.spec.reclaim_policy() {
        ReclaimPolicy::Delete => context.secrets.delete(&namespace, &former.name, &former.uid).await,
        ReclaimPolicy::Retain => context.secrets.release(&namespace, &former.name, &former.uid).await,
    }
    .map_err(failed)
}

fn desired<'a>(object: &'a SecureParameter, namespace: &'a str, data: Data<'a>) -> Desired<'a> {
    let target = object.spec.target.as_ref();
    let with = |own: &[(&str, String)], set: Option<&BTreeMap<String, String>>| {
        let own = own.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        set.cloned().unwrap_or_default().into_iter().chain(own).collect()
    };
    let labels = [
        (names::OWNER_UID_LABEL, object.uid().unwrap_or_default()),
        (names::MANAGED_BY_LABEL, names::FIELD_MANAGER.to_owned()),
    ];
    Desired {
        namespace,
        name: object.secret_name(),
        type_: target.and_then(|target| target.type_.as_deref()).unwrap_or("Opaque"),
        labels: with(&labels, target.map(|target| &target.labels)),
        annotations: with(&[(names::OWNER_ANNOTATION, object.name_any())], target.map(|target| &target.annotations)),
        owner: (object.spec.reclaim_policy() == ReclaimPolicy::Delete).then(|| owner_reference(object)).flatten(),
        data,
    }
}

fn owner_reference(object: &SecureParameter) -> Option<OwnerReference> {
    // Without blockOwnerDeletion, which would need the right to set finalizers.
    object.controller_owner_ref(&()).map(|owner| OwnerReference { block_owner_deletion: None, ..owner })
}

/// A write that failed, as the owner of the object reads it.
pub fn write_failed(secret: &str, error: &WriteError) -> Fault {
    Fault::new(
        Reason::SecretWriteFailed,
        format!("Secret {secret} could not be written: {error}; the operator tries again."),
    )
}
