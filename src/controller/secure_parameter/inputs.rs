//! What caches and memory know of an object. No I/O.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;
use kube::runtime::reflector::ObjectRef as Ref;

use crate::{
    api::{
        Reason, SecureParameter, StoreKind,
        names::{FIELD_MANAGER, SYNC_ANNOTATION, merge_manager, sync_token},
        status::ResolvedStore,
    },
    controller::{
        active_slots::ActiveSlot,
        context::Context,
        index::{ObjectNames, StoreKey},
        store::{
            connections::{Connected, StoreConnection},
            fault::missing_store,
            sessions::StoreReader,
        },
    },
    domain::{
        Fault,
        access::{grant::Grant, namespace::Namespace, read_authority::ReadAuthority},
        audit::{ObjectRef, Principal},
        ownership::types::Claimant,
        plan::{compiled::CompiledSpec, types::Plan},
        report::{attempt::Attempt, subject::Subject},
        schedule::{
            decide::{Facts, SecretState},
            object_state::{ObjectState, Shape},
            uptime::Uptime,
        },
    },
    parameters::WatchOptions,
};

/// Safety resync for an object that waits for its store or the informer; normally they trigger it earlier.
pub(super) const RESYNC_WAITING: Duration = Duration::from_secs(300);

/// What is known of an object when its reconcile begins.
pub(super) struct Inputs<'a> {
    pub(super) object: &'a SecureParameter,
    pub(super) namespace: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) uid: Arc<str>,
    /// The Secret that the spec names.
    secret: Arc<str>,
    /// The namespace as access rules see it; `None` if it is unknown or being deleted.
    pub(super) policy_namespace: Option<Namespace>,
    pub(super) store: ResolvedStore,
    pub(super) store_key: StoreKey,
    /// Whether the store is in the cache.
    store_exists: bool,
    /// Whether the operator may not read cluster stores.
    are_cluster_stores_hidden: bool,
    /// The open store, or why it is not open; `None` if it was not reconciled yet.
    opened: Option<Connected>,
    /// The field manager that the Secret is written as.
    pub(super) manager: Cow<'static, str>,
    /// Resource version of the recorded Secret in the cache, if it carries the object's mark there.
    pub(super) cached_secret: Option<String>,
    pub(super) state: Arc<ObjectState>,
    pub(super) uptime: Uptime,
}

impl<'a> Inputs<'a> {
    /// Gathers what is known.
    pub(super) fn gather(object: &'a SecureParameter, context: &Context) -> Self {
        let ObjectNames { uid, namespace, name, secret } = context.index.lock().names(object);
        let uptime = context.uptime();
        let state = context.object_states.get(&uid, object.status.as_ref(), uptime);
        let (kind, store) = object.spec.store();
        let store_key = StoreKey::of(object);
        let recorded = state.status.secret.as_ref().map(|secret| secret.name.as_str());
        Self {
            policy_namespace: context.caches.namespace(&namespace),
            store_exists: store_exists(kind, store, &namespace, context),
            are_cluster_stores_hidden: context.caches.without_cluster_stores.is_set(),
            opened: context.store_connections.get(&store_key),
            // One that does not carry our mark may be anybody's: its version alone proves nothing.
            cached_secret: recorded.and_then(|name| context.caches.secrets.version(&namespace, name, &uid)),
            manager: if object.spec.merges() { merge_manager(&uid).into() } else { FIELD_MANAGER.into() },
            store: ResolvedStore { kind, name: store.into() },
            name,
            secret,
            store_key,
            object,
            namespace,
            uid,
            state,
            uptime,
        }
    }

    /// The open store.
    ///
    /// # Errors
    /// An attempt that waits for the store, or that failed because of it.
    pub(super) fn connection(&self) -> Result<Arc<StoreConnection>, Attempt> {
        match &self.opened {
            Some(Ok(connection)) => Ok(Arc::clone(connection)),
            Some(Err(fault)) => Err(fault.for_objects(&self.store_key).into()),
            None if self.store_exists => Err(Attempt::waiting(RESYNC_WAITING, Reason::Progressing)),
            None => Err(missing_store(&self.store_key, self.are_cluster_stores_hidden).into()),
        }
    }

    /// What the store grants the object's namespace; `None` for a namespaced store, whose own identity is the boundary.
    ///
    /// # Errors
    /// `StoreNotReady` for a rule that cannot be read.
    pub(super) fn grant(&self, connection: &StoreConnection) -> Result<Option<Arc<Grant>>, Fault> {
        let namespace = self.policy_namespace.clone().unwrap_or_default();
        connection.grant(&namespace).map_err(|problem| Fault::new(Reason::StoreNotReady, problem))
    }

    /// The spec, compiled. `grant` is kept beside it.
    ///
    /// # Errors
    /// `InvalidSpec` and `TemplateError`.
    pub(super) fn compiled(&self, grant: Option<&Arc<Grant>>, context: &Context) -> Result<Arc<CompiledSpec>, Fault> {
        let exists = context.index.lock().name_of(&self.namespace, &self.uid).is_some();
        context.compiled_specs.get(&self.uid, self.object, grant, exists)
    }

    /// What decides whether anything has to be read.
    pub(super) fn facts(&self, plan: &Plan, secret: SecretState) -> Facts {
        let status = &self.state.status;
        let reason = status.ready_reason();
        let shape_changed = match self.state.shape {
            Some(shape) => shape.secret != plan.shape,
            // After a restart only the generation tells.
            None => status.observed_generation != self.object.metadata.generation,
        };
        // An outage ends with a comparison of versions, if the Secret is known to be what the spec asks for.
        let is_clean_outage = reason.is_some_and(Reason::is_outage) && self.state.shape.is_some() && !shape_changed;
        Facts {
            synced_before: status.secret.is_some()
                && status.source_revision().is_some()
                && status.store.as_ref() == Some(&self.store),
            shape_changed,
            sync_requested: self.sync_token().is_some_and(|sync| status.last_handled_sync.as_deref() != Some(sync)),
            secret,
            failing: !status.is_ready() && reason != Some(Reason::Suspended) && !is_clean_outage,
        }
    }

    /// The object, as conclusions see it.
    pub(super) fn subject<'s>(&'s self, principal: Option<&'s Principal>, context: &Context) -> Subject<'s> {
        Subject {
            name: &self.name,
            uid: &self.uid,
            generation: self.object.metadata.generation,
            store: &self.store,
            secret: self.object.secret_name(),
            sync: self.sync_token(),
            interval: self.object.spec.refresh_interval(),
            has_workloads: !self.object.spec.restart.is_empty(),
            principal,
            is_status_contradicted: self.state.is_contradicted_by(self.object),
            now: Timestamp::now(),
            uptime: context.uptime(),
        }
    }

    /// The beginning of the sync annotation.
    pub(super) fn sync_token(&self) -> Option<&str> {
        self.object.metadata.annotations.as_ref()?.get(SYNC_ANNOTATION).map(|value| sync_token(value))
    }

    /// The object, as it claims its Secret.
    pub(super) fn claimant(&self) -> Claimant<'_> {
        Claimant { namespace: &self.namespace, name: &self.name, uid: &self.uid, secret: self.object.secret_name() }
    }

    /// The object, as audit records name it.
    pub(super) fn audit_reference(&self) -> ObjectRef {
        ObjectRef {
            kind: "SecureParameter",
            namespace: Some(self.namespace.clone().into()),
            name: self.name.clone().into(),
            uid: self.uid.clone().into(),
            secret: Some(self.secret.clone().into()),
            reason: "",
        }
    }
}

fn store_exists(kind: StoreKind, name: &str, namespace: &str, context: &Context) -> bool {
    match kind {
        StoreKind::ClusterParameterStore => context.caches.cluster_stores.get(&Ref::new(name)).is_some(),
        StoreKind::ParameterStore => context.caches.stores.get(&Ref::new(name).within(namespace)).is_some(),
    }
}

/// An object with its open store and what it may read there.
#[derive(Clone, Copy)]
pub(super) struct ReadContext<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) context: &'a Context,
    pub(super) connection: &'a StoreConnection,
    /// Reads in the session of the object's namespace.
    pub(super) reader: &'a StoreReader,
    pub(super) authority: &'a ReadAuthority<'a>,
    /// Held while the reconcile is at work.
    pub(super) slot: &'a ActiveSlot<'a>,
}

impl ReadContext<'_> {
    /// Has the informer watch what a plan reads. It checks names that it has never seen as soon as possible if
    /// `check_now` says so. Nothing is watched for an object that is gone, or through a store that is: either may have gone
    /// while the reconcile waited.
    ///
    /// # Errors
    /// `NamespaceLimitReached` if the namespace would watch too much.
    pub(super) fn watch(&self, plan: &Plan, interval: Option<Duration>, check_now: bool) -> Result<(), Fault> {
        self.watch_with(plan, interval, self.connection.revalidate, check_now)
    }

    /// Like [`Self::watch`], but nothing is decrypted to prove that access still stands.
    pub(super) fn watch_versions(&self, plan: &Plan, interval: Duration) -> Result<(), Fault> {
        self.watch_with(plan, Some(interval), None, false)
    }

    fn watch_with(
        &self,
        plan: &Plan,
        interval: Option<Duration>,
        revalidate: Option<Duration>,
        check_now: bool,
    ) -> Result<(), Fault> {
        if !self.is_current() {
            return Ok(());
        }
        let options = WatchOptions { interval, revalidate, mode: self.connection.mode };
        let (subscriptions, known) = (&self.context.subscriptions, &self.inputs.state.status.parameters);
        let object = self.inputs.audit_reference();
        subscriptions.watch(self.reader, (&self.inputs.uid, &object), plan, (options, check_now), known)
    }

    /// Reports whether the object changed or went after its reconcile began.
    pub(super) fn is_outdated(&self) -> bool {
        let object = self.inputs.object;
        let cached = self.context.caches.objects.get(&Ref::from_obj(object));
        let version = |object: &SecureParameter| {
            let meta = &object.metadata;
            (meta.uid.clone(), meta.generation, meta.deletion_timestamp.is_some())
        };
        cached.is_none_or(|cached| version(&cached) != version(object))
    }

    fn is_current(&self) -> bool {
        let inputs = self.inputs;
        let exists = self.context.index.lock().name_of(&inputs.namespace, &inputs.uid).is_some();
        let connection = self.context.store_connections.get(&inputs.store_key);
        let is_open = connection
            .is_some_and(|opened| opened.is_ok_and(|opened| opened.sessions.is_same(&self.connection.sessions)));
        exists && is_open
    }

    /// The plan, as complete as the informer's cache makes it.
    pub(super) fn known_plan<'p>(&self, plan: &'p Plan) -> Cow<'p, Plan> {
        let known = self.reader.cached_lookup(&plan.lookups());
        let resolved = known.and_then(|known| plan.resolve(&known.found, self.authority).ok());
        resolved.unwrap_or(Cow::Borrowed(plan))
    }

    /// Identifies what a read depends on: reader, generation and sync annotation.
    pub(super) fn basis(&self) -> u64 {
        let reader = Arc::as_ptr(self.reader).addr();
        let mut hasher = DefaultHasher::new();
        (reader, self.inputs.object.metadata.generation, self.inputs.sync_token()).hash(&mut hasher);
        hasher.finish()
    }
}

/// The shape of the Secret that a plan makes.
pub(super) const fn shape_of(plan: &Plan) -> Shape {
    Shape { secret: plan.shape, data: plan.data_shape }
}
