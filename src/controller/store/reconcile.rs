//! Reconciles stores: opens a reader for each, and says in its status who reads where.

use std::{sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use kube::{
    ResourceExt,
    runtime::{controller::Action, reflector::ObjectRef as Ref},
};

use crate::controller::{context::Context, index::StoreKey, store::connections::Session};
use crate::{
    api::{
        AccessRule, ClusterParameterStore, Conditions, DEFAULT_REVALIDATE_INTERVAL, Decryption, Interval,
        ParameterStore, Reason, StoreKind, StoreStatus, status::CallerIdentityStatus,
    },
    aws::{ACCESS_KEY_ID, AwsApi, Identity, SECRET_ACCESS_KEY, StaticCredentials},
    domain::{
        Fault,
        access::grant,
        audit::{ObjectRef, aws_error::AwsError},
        parameter::name::Scope,
        schedule::backoff,
    },
    kubernetes::WriteError,
    parameters::{ReadMode, Reader},
};

/// Both kinds of stores, as far as they are alike.
#[derive(Clone, Debug)]
pub struct StoreView {
    key: StoreKey,
    uid: String,
    generation: Option<i64>,
    region: Option<String>,
    /// Namespace and name of the Secret with its credentials; `None` for the operator's own identity.
    credentials: Option<(String, String)>,
    access: Option<Vec<AccessRule>>,
    quota: Option<i32>,
    mode: ReadMode,
    revalidate: Option<Duration>,
    status: StoreStatus,
}

impl From<&ClusterParameterStore> for StoreView {
    fn from(store: &ClusterParameterStore) -> Self {
        let secret = store.spec.identity.as_ref().map(|identity| &identity.credentials_secret_ref);
        Self {
            key: StoreKey::cluster(store),
            uid: store.uid().unwrap_or_default(),
            generation: store.metadata.generation,
            region: store.spec.region.clone(),
            credentials: secret.map(|secret| (secret.namespace.clone(), secret.name.clone())),
            access: Some(store.spec.access.clone()),
            quota: store.spec.quota.map(|quota| quota.requests_per_second),
            mode: mode(store.spec.decryption),
            revalidate: revalidate(store.spec.revalidate_interval.as_ref()),
            status: store.status.clone().unwrap_or_default(),
        }
    }
}

impl From<&ParameterStore> for StoreView {
    fn from(store: &ParameterStore) -> Self {
        let namespace = store.namespace().unwrap_or_default();
        let secret = store.spec.identity.credentials_secret_ref.name.clone();
        Self {
            key: StoreKey::namespaced(store),
            uid: store.uid().unwrap_or_default(),
            generation: store.metadata.generation,
            region: store.spec.region.clone(),
            credentials: Some((namespace, secret)),
            access: None,
            quota: None,
            mode: mode(store.spec.decryption),
            revalidate: revalidate(store.spec.revalidate_interval.as_ref()),
            status: store.status.clone().unwrap_or_default(),
        }
    }
}

const fn mode(decryption: Option<Decryption>) -> ReadMode {
    match decryption {
        Some(Decryption::Direct) => ReadMode::Ciphertext,
        Some(Decryption::ViaSsm) | None => ReadMode::Decrypt,
    }
}

fn revalidate(interval: Option<&Interval>) -> Option<Duration> {
    let interval = interval.map_or(DEFAULT_REVALIDATE_INTERVAL, |interval| interval.parse().unwrap_or_default());
    (!interval.is_zero()).then_some(interval)
}

/// Brings a store up to date.
///
/// # Errors
/// If its status cannot be written.
pub async fn reconcile(store: StoreView, context: &Context) -> Result<Action, kube::Error> {
    let credentials = store.credentials.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
    context.named_secrets.follow(&store.uid, credentials);
    let before = context.sessions.get(&store.key);
    let opened = open(&store, context, before.as_ref().and_then(|session| session.as_ref().ok())).await;
    let news = match (&before, &opened) {
        (Some(Ok(before)), Ok(now)) => !now.serves_as(before),
        (Some(Err(before)), Err(now)) => before != now,
        _ => true,
    };
    context.sessions.set(&store.key, opened.clone());
    if news {
        match &opened {
            Ok(session) => tracing::info!(store = %store.key, region = session.reader.scope().region, "store opened"),
            Err(fault) => tracing::warn!(store = %store.key, reason = %fault.reason, "{}", fault.message),
        }
        wake_subscribers(&store.key, context);
    }
    report(&store, context, opened.as_deref()).await?;
    let attempt = 5; // Steady: the causes are outside, and a watch wakes the store when Kubernetes has news.
    Ok(match opened {
        Ok(session) => session.doubt.ask_in().map_or_else(Action::await_change, Action::requeue),
        Err(fault) => Action::requeue(backoff::after_failure(fault.reason, attempt, None, &store.uid)),
    })
}

/// Forgets a store that is gone.
pub fn forget(key: &StoreKey, uid: Option<&str>, context: &Context) {
    if let Some(uid) = uid {
        context.named_secrets.follow(uid, None);
    }
    context.quotas.forget(&quota_key(key));
    context.sessions.remove(key);
    wake_subscribers(key, context);
}

/// Forgets stores that are in no cache any more.
pub fn forget_missing(context: &Context) {
    for key in context.sessions.keys() {
        let exists = match (&key.kind, &key.namespace) {
            (StoreKind::ParameterStore, Some(namespace)) => {
                context.caches.stores.get(&Ref::new(&key.name).within(namespace)).is_some()
            }
            _ => context.caches.cluster_stores.get(&Ref::new(&key.name)).is_some(),
        };
        if !exists {
            forget(&key, None, context);
        }
    }
}

fn wake_subscribers(store: &StoreKey, context: &Context) {
    for object in crate::controller::locked(&context.index).subscribers(store) {
        context.wake.object(object);
    }
}

async fn open(store: &StoreView, context: &Context, before: Option<&Arc<Session>>) -> Result<Arc<Session>, Fault> {
    let not_ready = |message: String| Fault::new(Reason::StoreNotReady, message);
    grant::validate(store.access.as_deref().unwrap_or_default())
        .map_err(|problem| Fault::new(Reason::InvalidSpec, format!("spec.access: {problem}.")))?;
    let region = store.region.as_deref().or_else(|| context.aws.region()).ok_or_else(|| {
        not_ready("No AWS region is known; set spec.region of the store, or AWS_REGION for the operator.".to_owned())
    })?;
    let (identity, identity_name) = identity(store, context).await?;
    let fingerprint = format!("{region}/{identity_name}");
    let doubt = before.filter(|session| session.fingerprint == fingerprint).map(|session| session.doubt.clone());
    let doubt = doubt.unwrap_or_default();
    let reader = context.readers.get(&fingerprint, open_reader(store, context, &identity, region)).await?;
    if doubt.ask_in() == Some(Duration::ZERO) {
        reader.verify(&audited(store)).await.map_err(|error| {
            context.readers.drop(&fingerprint);
            refused(&error, region)
        })?;
        doubt.settle();
    }
    let scope = reader.scope();
    context.quotas.set(&quota_key(&store.key), &scope.account, &scope.region, store.quota);
    let place = format!("{}/{}", store.key.namespace.as_deref().unwrap_or_default(), store.key.name);
    let secret = store.credentials.as_ref().map_or_else(|| "ambient".to_owned(), |(ns, name)| format!("{ns}/{name}"));
    let source = format!("{}/{place}/{region}/{}/{secret}", store.key.kind.as_str(), scope.account);
    let (access, mode, revalidate) = (store.access.clone(), store.mode, store.revalidate);
    Ok(Arc::new(Session { reader, access, source, fingerprint, mode, revalidate, doubt }))
}

async fn open_reader(
    store: &StoreView,
    context: &Context,
    identity: &Identity,
    region: &str,
) -> Result<Reader<AwsApi>, Fault> {
    let api = context.aws.api(identity, region);
    let (audit_sink, changed) = (context.audit_sink.clone(), context.changed.clone());
    let opened = Reader::open(api, &context.quotas, audit_sink, changed, &audited(store)).await;
    opened.map_err(|error| refused(&error, region))
}

fn audited(store: &StoreView) -> ObjectRef {
    ObjectRef {
        kind: store.key.kind.as_str(),
        namespace: store.key.namespace.clone(),
        name: store.key.name.clone(),
        uid: store.uid.clone(),
        secret: None,
        reason: "",
    }
}

/// Why STS did not say who the caller is. Whose account it is, is not known then.
fn refused(error: &AwsError, region: &str) -> Fault {
    let scope = Scope { partition: "aws".into(), region: region.to_owned(), account: "unknown".into() };
    error.fault(None, &["sts:GetCallerIdentity".to_owned()], &scope, None)
}

/// The identity of a store, and a name for it that changes when its credentials do.
async fn identity(store: &StoreView, context: &Context) -> Result<(Identity, String), Fault> {
    let Some((namespace, name)) = &store.credentials else {
        return Ok((Identity::Ambient, "ambient".to_owned()));
    };
    let not_ready = |problem: String| {
        Fault::new(
            Reason::StoreNotReady,
            format!(
                "Secret {namespace}/{name} with the store's credentials {problem}; it needs the keys {ACCESS_KEY_ID} and \
                 {SECRET_ACCESS_KEY}."
            ),
        )
    };
    let secret = context.secrets.read(namespace, name).await.map_err(|error: WriteError| {
        let problem = format!(
            "Secret {namespace}/{name} with the store's credentials cannot be read ({error}); the operator tries again, and \
             needs the right to get, list and watch it."
        );
        Fault::new(Reason::StoreNotReady, problem)
    })?;
    let secret = secret.ok_or_else(|| not_ready("does not exist".to_owned()))?;
    let credentials = StaticCredentials::from_secret_data(&secret.data.unwrap_or_default())
        .map_err(|problem| not_ready(format!("is not usable ({problem})")))?;
    let version = secret.metadata.resource_version.unwrap_or_default();
    Ok((Identity::Static(credentials), format!("{namespace}/{name}@{version}")))
}

async fn report(store: &StoreView, context: &Context, opened: Result<&Session, &Fault>) -> Result<(), kube::Error> {
    let conditions = Conditions::new(&store.status.conditions, store.generation, Timestamp::now());
    let subscribers = crate::controller::locked(&context.index).subscriber_count(&store.key);
    let mut status = StoreStatus {
        observed_generation: store.generation,
        subscribers: Some(i32::try_from(subscribers).unwrap_or(i32::MAX)),
        ..store.status.clone()
    };
    match opened {
        Ok(session) => {
            let (scope, principal) = (session.reader.scope(), session.reader.principal());
            let reads = format!("Reads account {} in region {} as {}.", scope.account, scope.region, principal.arn);
            status.conditions = conditions.ready(Reason::Synced, &(reads + &overload(&session.reader)));
            status.identity =
                Some(CallerIdentityStatus { arn: principal.arn.clone(), account: principal.account.clone() });
            status.region = Some(scope.region.clone());
            status.requests_per_second = Some(rate(session.reader.rate_limit().limit()));
        }
        Err(fault) => status.conditions = conditions.not_ready(fault.reason, &fault.message),
    }
    if status == store.status {
        return Ok(());
    }
    match &store.key.namespace {
        None => context.statuses.cluster_store(&store.key.name, &status).await,
        Some(namespace) => context.statuses.store(namespace, &store.key.name, &status).await,
    }
}

/// Says so if looking as often as asked takes more than is allowed: what is possible then.
fn overload(reader: &Reader<AwsApi>) -> String {
    let ((names, load), allowed) = (reader.load(), reader.rate_limit().limit());
    if load <= allowed {
        return String::new();
    }
    format!(
        " Looking at {names} parameters as often as asked takes {load:.1} requests a second, of {allowed} allowed: changes \
         are noticed up to {:.1} times later than asked; raise spec.quota or the refresh intervals.",
        load / allowed
    )
}

/// A rate in whole requests a second.
#[expect(clippy::cast_possible_truncation, reason = "rates are whole numbers up to 10,000")]
fn rate(requests_per_second: f64) -> i32 {
    requests_per_second.round() as i32
}

fn quota_key(store: &StoreKey) -> String {
    format!("{}/{}/{}", store.kind.as_str(), store.namespace.as_deref().unwrap_or_default(), store.name)
}
