//! One `SecureParameter`, from what is known to what is written:
//!
//! ```text
//! inputs ─> plan ─> decide ─> fetch ─> render ─> apply ─> conclude ─> publish
//! ```
//!
//! A rotated parameter: the informer triggers the object, `decide` compares versions, `fetch` decrypts, `apply` writes.
//! A required parameter that vanished or is denied: `plan` (access rules), `fetch` or the informer reports it, `conclude`
//! makes it a condition, and the Secret stays. An optional one that is confirmed absent loses its key.
//!
//! Not in the picture: before `decide`, `inspect` looks at the Secret; before `fetch`, `check_hold` keeps back a read that
//! would only fail again, and `precondition` decides whether the Secret may be written at all.

use std::sync::Arc;

use kube::runtime::{controller::Action, reflector::ObjectRef};
use tokio::time::Instant;

use crate::controller::secure_parameter::{
    apply::write_secret,
    fetch::fetch,
    finalize::finalize,
    finalizer::remove_stale_finalizer,
    inputs::{Inputs, RESYNC_WAITING, ReadContext},
    inspect::inspect_secret,
    precondition::write_precondition,
    publish::publish,
    restart::restart_if_due,
    versions::{check_hold, compare_versions},
    writer::SecretWriter,
};
use crate::{
    api::{DEFAULT_REFRESH_INTERVAL, Reason, SecureParameter},
    controller::{
        active_slots::ActiveSlot,
        context::Context,
        observed::{Reconciled, observed},
        set_aside::Subject,
        sharding,
        store::{
            connections::StoreConnection,
            open_session::{OpenedSession, open_session},
            sessions::StoreReader,
        },
    },
    domain::{
        Fault,
        access::{grant::Grant, read_authority::ReadAuthority},
        audit::Access,
        plan::{from_spec::plan, types::Plan},
        report::{
            attempt::{Attempt, Outcome},
            conclude::conclude,
        },
        schedule::decide::{Decision, SecretState, decide},
        secret::render::render,
    },
    telemetry::{metrics::labels::Wait, object_span::log_request},
};

/// Brings one object up to date.
///
/// # Errors
/// The error of the API server if the status cannot be written.
pub(crate) async fn reconcile(object: Arc<SecureParameter>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    // Before anything is allocated for the object, since many may wait here.
    let began = Instant::now();
    let _slot = context.slots.acquire(&namespace).await;
    context.metrics.object_waited(Wait::Slot, began.elapsed());
    Box::pin(reconcile_now(object, &namespace, context)).await
}

async fn reconcile_now(
    object: Arc<SecureParameter>,
    namespace: &str,
    context: Arc<Context>,
) -> Result<Action, kube::Error> {
    // It may have changed or gone meanwhile.
    let Some(object) = context.caches.objects.get(&ObjectRef::from_obj(&*object)) else {
        return Ok(Action::await_change());
    };
    if sharding::is_left(&object, &context) {
        // Another operator writes its status, by which this one takes it up again.
        context.forget_object(namespace, object.metadata.uid.as_deref().unwrap_or_default());
        return Ok(Action::await_change());
    }
    let subject = Subject::new("SecureParameter", &object.metadata);
    let pipeline = Box::pin(async {
        let slot = context.active_slots.acquire(namespace).await;
        reconcile_object(&object, &context, &slot).await
    });
    observed(&context, &subject, pipeline, |fault| fail(&object, &context, fault)).await
}

/// Shows a fault that ended the pipeline. The object watches nothing any more.
async fn fail(object: &SecureParameter, context: &Context, fault: Fault) -> Result<Reconciled, kube::Error> {
    let inputs = Inputs::gather(object, context);
    context.subscriptions.end(&inputs.namespace, &inputs.uid);
    let conclusion = conclude(&inputs.subject(None, context), &inputs.state, None, fault.into());
    publish(&inputs, conclusion, context).await
}

/// The whole pipeline, from inputs to publish. What writes to the API server is in boxes, so that a reconcile that waits for AWS
/// keeps no room for it.
async fn reconcile_object(
    object: &SecureParameter,
    context: &Context,
    slot: &ActiveSlot<'_>,
) -> Result<Reconciled, kube::Error> {
    let inputs = Inputs::gather(object, context);
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Box::pin(finalize(&inputs, context)).await);
    }
    if inputs.policy_namespace.is_none() {
        context.subscriptions.end(&inputs.namespace, &inputs.uid);
        // The namespace is not known yet or is being deleted: nothing is read and nothing is written.
        return Ok(Reconciled { reason: Reason::Progressing, action: Action::await_change() });
    }
    remove_stale_finalizer(&inputs, context).await;
    let restart = Box::pin(restart_if_due(&inputs, context)).await;
    if object.spec.is_suspended() {
        context.subscriptions.end(&inputs.namespace, &inputs.uid);
        let attempt = Attempt::new(Outcome::Suspended);
        let conclusion = conclude(&inputs.subject(None, context), &inputs.state, restart, attempt);
        return Box::pin(publish(&inputs, conclusion, context)).await;
    }
    let opened = open(&inputs, context, slot).await;
    let principal = opened.as_ref().ok().map(|opened| opened.reader.principal().clone());
    let attempt = match opened {
        Ok(opened) => sync(&inputs, &opened, context, slot).await.unwrap_or_else(|ended| ended),
        Err(ended) => {
            // What may not be read is not watched either.
            context.subscriptions.end(&inputs.namespace, &inputs.uid);
            ended
        }
    };
    log_last_request(&attempt);
    let conclusion = conclude(&inputs.subject(principal.as_ref(), context), &inputs.state, restart, attempt);
    Box::pin(publish(&inputs, conclusion, context)).await
}

/// Has the log name the last request that failed, or the last of all.
fn log_last_request(attempt: &Attempt) {
    let with_id = |access: &&Access| access.request_id.is_some();
    let failed = attempt.accesses.iter().rfind(|access| access.failed && with_id(access));
    let access = failed.or_else(|| attempt.accesses.iter().rfind(with_id));
    if let Some(request_id) = access.and_then(|access| access.request_id.as_deref()) {
        log_request(request_id);
    }
}

/// What an object reads with, and what it reads.
struct Opened {
    connection: Arc<StoreConnection>,
    /// What the store grants to the object's namespace; `None` for a namespaced store.
    grant: Option<Arc<Grant>>,
    plan: Plan,
    /// Reads in the session of the namespace.
    reader: StoreReader,
}

/// Plans what to read, and opens the session to read it in, unless that is open. No session is opened for an object that may
/// not read.
///
/// # Errors
/// An attempt that waits for the store, or that failed because of it or because of the spec.
async fn open(inputs: &Inputs<'_>, context: &Context, slot: &ActiveSlot<'_>) -> Result<Opened, Attempt> {
    let connection = inputs.connection()?;
    let grant = inputs.grant(&connection)?;
    let store = inputs.store_key.to_string();
    let authority = authority(inputs, context, (&connection, grant.as_deref()), &store);
    let compiled = inputs.compiled(grant.as_ref(), context)?;
    let plan = plan(&inputs.object.spec, &compiled, &authority)?;
    let object = inputs.audit_reference();
    let reader = if let Some(reader) = connection.sessions.shared() {
        Arc::clone(reader)
    } else {
        let (sessions, gateway) = (&connection.sessions, &context.gateway);
        let opening = open_session(sessions, &inputs.namespace, grant.as_ref(), &object, gateway);
        // STS may take its time.
        let OpenedSession { reader, is_recovered } = slot.release_while(opening).await?;
        if is_recovered {
            // The others would wait for their next attempt.
            context.queue_readers(&inputs.store_key, &inputs.namespace);
        }
        reader
    };
    Ok(Opened { connection, grant, plan, reader })
}

/// Returns what an object may read.
fn authority<'a>(
    inputs: &'a Inputs<'_>,
    context: &Context,
    (connection, grant): (&'a StoreConnection, Option<&'a Grant>),
    store: &'a str,
) -> ReadAuthority<'a> {
    ReadAuthority {
        scope: connection.sessions.scope(),
        prefix: &connection.prefix,
        grant: grant.filter(|_| context.is_access_checked),
        namespace: &inputs.namespace,
        store,
    }
}

/// Reads the parameters if that is needed, and writes the Secret. An attempt that ends early is the error.
async fn sync(
    inputs: &Inputs<'_>,
    opened: &Opened,
    context: &Context,
    slot: &ActiveSlot<'_>,
) -> Result<Attempt, Attempt> {
    let Opened { connection, grant, plan, reader } = opened;
    let store = inputs.store_key.to_string();
    let authority = authority(inputs, context, (connection, grant.as_deref()), &store);
    let read = ReadContext { inputs, context, connection, reader, authority: &authority, slot };
    let (secret, intact) = match inspect_secret(inputs, plan, context).await {
        Ok(inspected) => inspected,
        Err(fault) => return Err(watch_failed(read, plan, fault.into())),
    };
    match sync_plan(read, plan, secret).await {
        Ok(attempt) => Ok(Attempt { intact, ..attempt }),
        Err(attempt) => Err(Attempt { intact, ..watch_failed(read, plan, attempt) }),
    }
}

/// Has the informer watch what failed too, so that it triggers the object when that is over. Returns the attempt.
fn watch_failed(read: ReadContext<'_>, plan: &Plan, ended: Attempt) -> Attempt {
    let Outcome::Failed { fault, .. } = &ended.outcome else { return ended };
    if read.is_outdated() {
        // The failure is not about the object as it is now, and the change has queued it.
        return Attempt {
            interim: ended.interim,
            accesses: ended.accesses,
            ..Attempt::waiting(RESYNC_WAITING, Reason::Progressing)
        };
    }
    let interval = read.inputs.object.spec.refresh_interval().unwrap_or(DEFAULT_REFRESH_INTERVAL);
    match fault.reason {
        // A parameter that another key encrypts may be read once it is written with a granted one.
        Reason::PolicyDenied if needs_keys(read, plan) => drop(read.watch_versions(&read.known_plan(plan), interval)),
        Reason::PolicyDenied => read.context.subscriptions.end(&read.inputs.namespace, &read.inputs.uid),
        // Whether access still stands does not matter while nothing may be read.
        Reason::SecretTooLarge => drop(read.watch_versions(&read.known_plan(plan), interval)),
        // A limit that is reached was reported already.
        _ => drop(read.watch(&read.known_plan(plan), Some(interval), false)),
    }
    ended
}

fn needs_keys(read: ReadContext<'_>, plan: &Plan) -> bool {
    read.known_plan(plan).values().any(|source| read.authority.needs_key(&source.parameter_ref))
}

async fn sync_plan(read: ReadContext<'_>, plan: &Plan, secret: SecretState) -> Result<Attempt, Attempt> {
    let inputs = read.inputs;
    let (purpose, absence) = match decide(inputs.facts(plan, secret)) {
        Decision::Compare => compare_versions(read, plan).await?,
        Decision::Read(purpose) => (purpose, inputs.state.history.absence.clone()),
    };
    check_hold(read, plan, &absence)?;
    // Objects that own whole Secrets share one field manager, so the API server cannot tell their writes apart.
    let lock = read.context.secret_locks.lock(&inputs.namespace, inputs.object.secret_name());
    let _turn = read.slot.release_while(lock).await;
    if read.is_outdated() {
        // The change has queued the object.
        return Err(Attempt::waiting(RESYNC_WAITING, Reason::Progressing));
    }
    let precondition = write_precondition(inputs, purpose, secret, read.context).await?;
    let fetched = fetch(read, plan, purpose, secret, absence).await?;
    let rendered = match render(&fetched.plan, &fetched.reading.values, &fetched.plaintexts) {
        Ok(rendered) => rendered,
        Err(fault) => return Err(fetched.failed(fault, read.basis())),
    };
    let writer = SecretWriter::new(inputs, read.context, purpose, &fetched.accesses);
    let (keys, keys_by_parameter) = (rendered.data.len(), rendered.keys_by_parameter);
    match Box::pin(write_secret(&writer, rendered.data, &precondition)).await {
        Ok(metadata) => Ok(fetched.written(read, purpose, metadata, keys, keys_by_parameter)),
        Err(fault) => Err(fetched.failed(fault, read.basis())),
    }
}
