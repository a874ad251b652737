//! What becomes of the Secret when the object goes, or names another one.

use std::time::Duration;

use kube::runtime::controller::Action;

use crate::controller::secure_parameter::{
    finalizer::has_finalizer,
    inputs::Inputs,
    merge::withdraw_keys,
    publish::create_event,
    writer::{SecretWriter, write_failed},
};
use crate::{
    api::{Reason, ReclaimPolicy, names::FIELD_MANAGER},
    controller::{context::Context, observed::Reconciled},
    domain::{Fault, report::event_format},
    kubernetes::secrets::errors::SecretError,
};

/// How long until a finalizer that could not be removed is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Finalizes an object that is being deleted: takes its keys back from a Secret of others, then removes the finalizer.
/// Secrets that the object wrote whole are the garbage collector's.
pub(super) async fn finalize(inputs: &Inputs<'_>, context: &Context) -> Reconciled {
    context.subscriptions.end(&inputs.namespace, &inputs.uid);
    let done = Reconciled { reason: Reason::Synced, action: Action::await_change() };
    if !has_finalizer(inputs) {
        return done;
    }
    let retry = Reconciled { reason: Reason::SecretWriteFailed, action: Action::requeue(RETRY) };
    let writer = SecretWriter::for_deletion(inputs, context);
    let target = inputs.object.secret_name();
    let recorded = inputs.state.status.secret.as_ref().map(|secret| secret.name.as_str());
    let names = [Some(target), recorded.filter(|name| *name != target)];
    for name in names.into_iter().flatten() {
        let _turn = context.secret_locks.lock(&inputs.namespace, name).await;
        let Err(error) = withdraw_keys(&writer, name).await else { continue };
        // An immutable Secret, or one that the API server finds invalid without the keys, keeps them for ever.
        let is_hopeless = matches!(error, SecretError::Immutable | SecretError::Invalid(_));
        report_failure(inputs, context, name, &error, is_hopeless).await;
        if !is_hopeless {
            return retry;
        }
    }
    match context.finalizers.set(inputs.object, false).await {
        Ok(_) => done,
        Err(error) => {
            let reason = Reason::SecretWriteFailed.as_str();
            tracing::warn!(reason, %error, "the finalizer could not be removed; the operator tries again");
            retry
        }
    }
}

async fn report_failure(inputs: &Inputs<'_>, context: &Context, secret: &str, error: &SecretError, is_hopeless: bool) {
    let next_step = if is_hopeless { "they stay in it" } else { "the operator tries again" };
    let message = format!(
        "The keys of SecureParameter {} could not be removed from Secret {secret} ({error}); {next_step}.",
        inputs.name
    );
    let fault = Fault::new(Reason::SecretWriteFailed, message);
    let since = inputs.object.metadata.deletion_timestamp.as_ref().map_or(0, |time| time.0.as_second());
    tracing::warn!(reason = fault.reason.as_str(), "{}", fault.message);
    let event = event_format::of_fault(&inputs.name, &inputs.uid, since, &fault);
    create_event(inputs, context, event, k8s_openapi::jiff::Timestamp::now()).await;
}

/// Deletes the Secret under the previous name of the target, or releases it where it is to be retained.
pub(super) async fn delete_previous_target(writer: &SecretWriter<'_>) -> Result<(), Fault> {
    let (inputs, secrets) = (writer.inputs, &writer.context.secrets);
    let previous = inputs.state.status.written_secret().filter(|secret| secret.name != inputs.object.secret_name());
    let Some(previous) = previous else { return Ok(()) };
    let failed = |error: SecretError| write_failed(&previous.name, &error);
    if withdraw_keys(writer, &previous.name).await.map_err(failed)? {
        return Ok(());
    }
    let namespace = &inputs.namespace;
    let metadata = secrets.metadata(namespace, &previous.name, FIELD_MANAGER).await.map_err(failed)?;
    let is_ours = metadata
        .is_some_and(|metadata| metadata.uid == previous.uid && metadata.owner_uid.as_deref() == Some(&inputs.uid));
    if !is_ours {
        return Ok(());
    }
    let verb = match inputs.object.spec.reclaim_policy() {
        ReclaimPolicy::Delete => {
            secrets.delete(namespace, &previous.name, &previous.uid).await.map_err(failed)?;
            "delete"
        }
        ReclaimPolicy::Retain => {
            secrets.release(namespace, &previous.name, &previous.uid).await.map_err(failed)?;
            "release"
        }
    };
    writer.audit(verb, &previous.name, None);
    Ok(())
}
