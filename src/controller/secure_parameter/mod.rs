//! Reconciles one `SecureParameter`: plan, decide, read, render, own, report.
//!
//! | Module | Step |
//! | --- | --- |
//! | `observe` | what is known before AWS is asked |
//! | `compare` | versions against what was recorded |
//! | `sync` | reads, decrypts and has written |
//! | `write` | the verdict on the Secret and its write |
//! | `merge` | keys in a Secret that others made |
//! | `restart` | workloads that are to run with the new Secret |
//! | `report` | status, Events, audit of writes, next look |

mod compare;
mod merge;
mod observe;
mod report;
mod restart;
pub mod state;
mod sync;
mod write;

use std::{borrow::Cow, sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef as Ref},
};
use tokio::time::Instant;

use crate::controller::{
    context::Context, index::StoreKey, locked, secure_parameter::state::ObjectState, store::connections::Session,
};
use crate::{
    api::{
        DEFAULT_REFRESH_INTERVAL, Reason, SecureParameter, SecureParameterStatus, StoreKind,
        names::{FIELD_MANAGER, SYNC_ANNOTATION, merge_manager},
        status::ResolvedStore,
    },
    domain::{
        Fault,
        access::{namespace::Namespace, read_authority::ReadAuthority},
        audit::{ObjectRef, Principal},
        ownership::types::Claimant,
        parameter::{name::ParameterRef, selector::Selector},
        plan::{
            from_spec::plan,
            types::{Plan, Reads},
        },
        report::{
            event::{Access, Event},
            status::Subject,
        },
        schedule::decide::{Decision, Purpose, decide},
    },
    parameters::{Subscriber, Terms},
};

/// Most characters of the sync annotation that count and are echoed.
const SYNC_LENGTH: usize = 256;

/// How soon to look again at an object that waits for its store to open, or for the informer; both wake it before that.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// How soon an object that is being deleted is tried to be let go again.
const LEAVE_AGAIN: Duration = Duration::from_secs(30);

/// Brings one object up to date.
///
/// # Errors
/// If its status cannot be written.
pub async fn reconcile(object: Arc<SecureParameter>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let started = Instant::now();
    let namespace = object.namespace().unwrap_or_default();
    // Of what is going, or in a namespace that is going or not yet known, nothing is read and nothing is written.
    if object.metadata.deletion_timestamp.is_some() {
        return Pass::new(&object, &context, namespace).leave().await;
    }
    let Some(policy_namespace) = context.caches.namespace(&namespace) else {
        return Ok(Action::await_change());
    };
    let mut pass = Pass::new(&object, &context, namespace);
    let done = pass.run(&policy_namespace).await;
    let Pass { memory, uid, .. } = pass;
    let restart = memory.restart.filter(|_| !object.spec.is_suspended());
    let restart = restart.map(|restart| restart.due.saturating_duration_since(Instant::now()));
    if locked(&context.index).contains(&uid) {
        context.ledger.remember(&uid, memory);
    }
    let (wait, reason) = done?;
    context.metrics.reconciled(reason, started.elapsed());
    Ok(wait.into_iter().chain(restart).min().map_or_else(Action::await_change, Action::requeue))
}

/// One reconcile of one object.
struct Pass<'a> {
    object: &'a SecureParameter,
    context: &'a Context,
    namespace: String,
    name: String,
    uid: String,
    store: ResolvedStore,
    /// The field manager that its Secret is written as.
    manager: Cow<'static, str>,
    memory: ObjectState,
    now: Timestamp,
    /// AWS calls made so far.
    accesses: Vec<Access>,
    principal: Option<Principal>,
    /// What a read in this pass rests on.
    rests_on: u64,
    /// Why values are read in this pass.
    purpose: Purpose,
    /// Whether what was read and what is made of it is what the status says was written last.
    is_repetition: bool,
}

/// How a pass ended without a fault.
enum Passed {
    Done(Done),
    /// Nothing can or may be done for now, and everything stays as it is.
    Waiting(Duration, Reason),
}

/// How a pass ended well.
struct Done {
    status: Box<SecureParameterStatus>,
    events: Vec<Event>,
    wake: Option<Duration>,
}

impl<'a> Pass<'a> {
    fn new(object: &'a SecureParameter, context: &'a Context, namespace: String) -> Self {
        let uid = object.uid().unwrap_or_default();
        let (kind, store) = object.spec.store();
        Self {
            object,
            context,
            namespace,
            name: object.name_any(),
            memory: context.ledger.recall(&uid, object.status.as_ref()),
            manager: if object.spec.merges() { merge_manager(&uid).into() } else { FIELD_MANAGER.into() },
            uid,
            store: ResolvedStore { kind, name: store.to_owned() },
            now: Timestamp::now(),
            accesses: Vec::new(),
            principal: None,
            rests_on: 0,
            purpose: Purpose::FirstSync,
            is_repetition: false,
        }
    }

    /// Answers with when to look again, and what came of it.
    async fn run(&mut self, namespace: &Namespace) -> Result<(Option<Duration>, Reason), kube::Error> {
        self.free_of_finalizer().await;
        // Nothing is decrypted that could not be told of.
        if let Some(status) = self.memory.unshown.clone() {
            self.show(status).await.inspect_err(|_| self.unwatch())?;
        }
        if self.object.spec.is_suspended() {
            self.unwatch();
            let before = self.memory.status.clone();
            self.show(self.subject(&before).suspended()).await?;
            return Ok((None, Reason::Suspended));
        }
        self.restart_when_due().await?;
        match self.attempt(namespace).await {
            Ok(Passed::Done(done)) => self.succeed(done).await,
            Ok(Passed::Waiting(wait, reason)) => Ok((Some(wait), reason)),
            Err(fault) => self.fail(&fault).await,
        }
    }

    async fn attempt(&mut self, namespace: &Namespace) -> Result<Passed, Fault> {
        let Some(session) = self.session()? else {
            return Ok(Passed::Waiting(LOOK_AGAIN, Reason::Progressing));
        };
        self.principal = Some(session.reader.principal().clone());
        let grant = session.grant(namespace).map_err(|problem| Fault::new(Reason::StoreNotReady, problem))?;
        let (own_namespace, store) = (self.namespace.clone(), StoreKey::of(self.object).to_string());
        let scope = session.reader.scope();
        let bounds = ReadAuthority {
            scope,
            prefix: &session.prefix,
            grant: grant.as_ref(),
            namespace: &own_namespace,
            store: &store,
        };
        // What may not be read is not watched either.
        let plan = plan(&self.object.spec, &bounds).inspect_err(|_| self.unwatch())?;
        let secret = self.secret_state(&plan).await?;
        let passed = match decide(&self.known(&plan, secret)) {
            Decision::Compare => self.compare(&session, &plan, &bounds).await,
            Decision::Decrypt(purpose) => match self.failed_read(&session, &plan, &bounds) {
                Ok(Some(not_due)) => Ok(not_due),
                Ok(None) => self.sync(&session, &plan, &bounds, purpose, secret).await,
                Err(fault) => Err(fault),
            },
        };
        passed.inspect_err(|_| {
            // Also what failed is watched, at its interval: the informer wakes the object when that is over.
            let interval = self.object.spec.refresh_interval().unwrap_or(DEFAULT_REFRESH_INTERVAL);
            self.watch(&session, &as_known(&session, &plan, &bounds), Some(interval), false);
        })
    }

    /// Makes the object watch what a plan wants, by this reader alone.
    fn watch(&mut self, session: &Session, plan: &Plan, interval: Option<Duration>, look: bool) {
        if self.memory.watched_by.as_ref().is_some_and(|reader| !Arc::ptr_eq(reader, &session.reader)) {
            self.unwatch();
        }
        let terms = Terms { interval, revalidate: session.revalidate, mode: session.mode };
        session.reader.watch(&self.subscriber(), &self.audited(), plan, terms, look);
        // Names that come with a path are known only once it was listed.
        if self.memory.watched_by.is_none() || plan.has_paths() {
            self.remember_keys(session, &plan.reads());
        }
        self.memory.watched_by = Some(Arc::clone(&session.reader));
    }

    /// Tells a new reader which keys the status knows.
    fn remember_keys(&self, session: &Session, reads: &Reads<'_>) {
        for known in &self.memory.status.parameters {
            let Some(key) = &known.key_arn else { continue };
            let is_meant = |parameter_ref: &&&ParameterRef| {
                parameter_ref.arn == known.arn
                    && match &parameter_ref.selector {
                        None => known.label.is_none(),
                        Some(Selector::Label(label)) => known.label.as_ref() == Some(label),
                        Some(Selector::Version(version)) => known.version == *version,
                    }
            };
            for parameter_ref in reads.keys().filter(is_meant) {
                session.reader.remember_key(parameter_ref, known.version, key);
            }
        }
    }

    fn unwatch(&mut self) {
        if let Some(reader) = self.memory.watched_by.take() {
            reader.forget(&self.subscriber());
        }
    }

    fn subscriber(&self) -> Subscriber {
        (self.namespace.clone(), self.name.clone())
    }

    /// The open store; `None` while it is about to open.
    fn session(&self) -> Result<Option<Arc<Session>>, Fault> {
        let store = StoreKey::of(self.object);
        match self.context.sessions.get(&store) {
            Some(Ok(session)) => Ok(Some(session)),
            Some(Err(fault)) if fault.reason.is_outage() => Err(fault),
            Some(Err(fault)) => {
                Err(Fault::new(Reason::StoreNotReady, format!("{store} is not ready: {}", fault.message)))
            }
            None if self.store_exists() => Ok(None),
            None => Err(Fault::new(
                Reason::StoreNotFound,
                format!("{store} does not exist; create it, or name another in spec.storeRef."),
            )),
        }
    }

    fn store_exists(&self) -> bool {
        let ResolvedStore { kind, name } = &self.store;
        match kind {
            StoreKind::ClusterParameterStore => self.context.caches.cluster_stores.get(&Ref::new(name)).is_some(),
            StoreKind::ParameterStore => {
                self.context.caches.stores.get(&Ref::new(name).within(&self.namespace)).is_some()
            }
        }
    }

    /// The sync that is asked for: the beginning of the annotation, since the status has no room for any length.
    fn sync_token(&self) -> Option<&'a str> {
        let token = self.object.metadata.annotations.as_ref()?.get(SYNC_ANNOTATION)?;
        let end = token.char_indices().nth(SYNC_LENGTH).map_or(token.len(), |(end, _)| end);
        Some(&token[..end])
    }

    fn claimant(&self) -> Claimant<'_> {
        Claimant { namespace: &self.namespace, name: &self.name, uid: &self.uid, secret: self.object.secret_name() }
    }

    fn audited(&self) -> ObjectRef {
        ObjectRef {
            kind: "SecureParameter",
            namespace: Some(self.namespace.clone()),
            name: self.name.clone(),
            uid: self.uid.clone(),
            secret: Some(self.object.secret_name().to_owned()),
            reason: "",
        }
    }

    fn subject<'s>(&'s self, status: &'s SecureParameterStatus) -> Subject<'s> {
        Subject {
            generation: self.object.metadata.generation,
            status,
            store: &self.store,
            sync: self.sync_token(),
            now: self.now,
        }
    }
}

/// The plan, complete as far as it is known without asking what there is.
fn as_known<'p>(session: &Session, plan: &'p Plan, bounds: &ReadAuthority<'_>) -> Cow<'p, Plan> {
    let known = session.reader.looked_up(&plan.lookups());
    known.and_then(|known| plan.resolve(&known.found, bounds).ok()).unwrap_or(Cow::Borrowed(plan))
}
