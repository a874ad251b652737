//! The interface for the controller: one reader for each identity and region, with its batcher and its cache.

use std::{collections::BTreeMap, fmt, sync::Arc};

use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use crate::api::Reason;
use crate::background::Alarm;
use crate::domain::{
    Fault,
    audit::{AuditSink, ObjectRef, Principal},
    aws_error::AwsError,
    parameter::{key::ParameterKeys, name::ParameterRef, revision::Versions, scope::Scope},
    plan::types::{Lookups, Plan, Reads},
    schedule::decide::Purpose,
    secret::content::MAX_SECRET_BYTES,
};
use crate::parameters::{
    audited_client::AuditedClient,
    batch::{batcher::Batcher, requests::ReadRequest},
    cache::{
        informer::Informer,
        observation::Observation,
        snapshot::{LookupResult, Snapshot},
        subscription::{Subscriber, Subscription, WatchOptions},
        version_order::VersionAge,
        version_table::Looks,
    },
    credential_health::CredentialHealth,
    identity::identify,
    kms_decrypt::{self, KmsDecryption},
    port::{MAX_READS, ParameterApi},
    quota::{admission::Admission, priority::Priority, quotas::Quotas},
    random,
    read_error::{self, ReadError},
    reading::Reading,
};

/// Reads Parameter Store as one identity in one region. Stops its background tasks when dropped.
pub(crate) struct Reader<A> {
    pub(super) client: Arc<AuditedClient<A>>,
    pub(super) batcher: Arc<Batcher<A>>,
    pub(super) informer: Informer<A>,
    scope: Scope,
    credential_health: CredentialHealth,
}

impl<A> fmt::Debug for Reader<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.scope).finish()
    }
}

impl<A: ParameterApi> Reader<A> {
    /// Opens a reader: loads the credentials, asks STS whose they are unless they say so, which also proves that they work,
    /// and starts the background tasks. Sends the objects whose parameters changed to `changed`. A background task that ends raises `alarm`.
    ///
    /// # Errors
    /// The error of the STS call.
    pub(crate) async fn open(
        api: A,
        quotas: &Quotas,
        audit_sink: Arc<dyn AuditSink>,
        changed: UnboundedSender<Subscriber>,
        object: &ObjectRef,
        alarm: &Alarm,
    ) -> Result<Self, AwsError> {
        let principal = match api.known_principal().await? {
            Some(principal) => principal,
            None => identify(&api, &*audit_sink, object).await?,
        };
        let scope = Scope::of(&principal, api.region());
        let rate_limits = quotas.rate_limits(&scope.account, &scope.region);
        let client = Arc::new(AuditedClient::new(api, principal, rate_limits, audit_sink));
        let batcher = Arc::new(Batcher::start(Arc::clone(&client), alarm));
        // In the second half of the first period, at random: operators that start together do not sweep together, and
        // what was just read is not checked right after.
        let offset = 0.5 + random::fraction() / 2.0;
        let informer =
            Informer::start(Arc::clone(&client), Arc::clone(&batcher), scope.clone(), changed, offset, alarm);
        Ok(Self { client, batcher, informer, scope, credential_health: CredentialHealth::default() })
    }

    /// Asks STS for the identity again, if AWS refused the credentials and a check of them is due.
    ///
    /// # Errors
    /// The error of the STS call.
    pub(crate) async fn check_credentials(&self, object: &ObjectRef) -> Result<(), AwsError> {
        if self.credential_health.check_due_in().is_some_and(|due_in| due_in.is_zero()) {
            identify(&self.client.api, &*self.client.audit_sink, object).await?;
            self.credential_health.mark_accepted();
        }
        Ok(())
    }

    /// Returns whether AWS accepts the credentials.
    pub(crate) const fn credential_health(&self) -> &CredentialHealth {
        &self.credential_health
    }

    /// Returns partition, account and region of parameters that are named without an ARN.
    pub(crate) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the identity that reads.
    pub(crate) fn principal(&self) -> &Principal {
        &self.client.principal
    }

    /// Returns the rate limit of `GetParameters` and `GetParametersByPath`.
    pub(crate) fn rate_limit(&self) -> &Admission {
        &self.client.rate_limits.parameters
    }

    /// Returns the number of watched names, and the calls a second that polling them takes.
    pub(crate) fn load(&self) -> (usize, f64) {
        self.informer.load()
    }

    /// Returns how well the looks at names and paths keep up.
    pub(crate) fn looks(&self) -> Looks {
        self.informer.looks()
    }

    /// Returns the number of watched names and of watched paths.
    pub(crate) fn watched(&self) -> (usize, usize) {
        self.informer.watched()
    }

    /// Makes an object watch exactly what its plan reads. With `check_now`, names and paths that were never seen are
    /// checked as soon as possible; otherwise the object is about to read them itself. Returns the subscriber that
    /// the object is.
    pub(crate) fn watch(&self, object: &ObjectRef, plan: &Plan, options: WatchOptions, check_now: bool) -> Subscriber {
        let lookups = plan.lookups();
        // A parameter whose previous version is read is watched for its newest version only, never decrypted.
        let newest = WatchOptions { revalidate: None, ..options };
        let mut names: BTreeMap<_, _> =
            lookups.newest.into_keys().map(|parameter_ref| (parameter_ref, newest)).collect();
        for (parameter_ref, read) in plan.reads() {
            let revalidate = options.revalidate.filter(|_| !parameter_ref.is_reference());
            // Listing the path shows the versions of what is below.
            let interval = options.interval.filter(|_| !read.listed);
            names.insert(parameter_ref.clone(), WatchOptions { interval, revalidate, ..options });
        }
        let paths = lookups.listings.into_iter().map(|query| (query, options.interval)).collect();
        let names = names.into_iter().collect();
        self.informer.subscribe(object, Subscription { names, paths }, check_now)
    }

    /// Makes an object watch nothing.
    pub(crate) fn forget(&self, subscriber: &Subscriber) {
        self.informer.unsubscribe(subscriber);
    }

    /// Returns the cached result of a lookup. `None` if part of it was never seen.
    pub(crate) fn cached_lookup(&self, lookups: &Lookups) -> Option<LookupResult> {
        self.informer.cached_lookup(lookups)
    }

    /// Looks up what is not cached yet, or, with `refresh`, all of it. The object must watch it.
    pub(crate) async fn lookup(
        &self,
        lookups: &Lookups,
        purpose: Purpose,
        refresh: bool,
        object: &ObjectRef,
    ) -> LookupResult {
        let priority = Priority::of(purpose);
        self.informer.list(&lookups.listings, priority, refresh).await;
        let requested: Vec<_> = lookups
            .newest
            .keys()
            .filter(|parameter_ref| refresh || !self.informer.has_version(parameter_ref))
            .map(|parameter_ref| {
                let objects = vec![object.with_purpose(purpose)];
                (parameter_ref, self.batcher.request(ReadRequest::version(parameter_ref.clone(), priority, objects)))
            })
            .collect();
        for (parameter_ref, reply) in requested {
            // No reply comes if the reader is dropped. The object is reconciled again then.
            let Ok(reply) = reply.await else { continue };
            self.informer.record(parameter_ref, Observation::of_reply(reply));
        }
        self.informer.cached_lookup(lookups).unwrap_or_else(|| {
            let paths = lookups.listings.iter().map(|query| query.parameter_ref(&self.scope));
            let names = paths.chain(lookups.newest.keys().cloned());
            let errors = names.map(|parameter_ref| (parameter_ref, ReadError::interrupted())).collect();
            LookupResult { errors, ..LookupResult::default() }
        })
    }

    /// Returns the cached state of names.
    pub(crate) fn snapshot(&self, reads: &Reads<'_>) -> Snapshot {
        self.informer.snapshot(reads)
    }

    /// Returns when the newest change of any of these was observed.
    pub(crate) fn changed_at(&self, reads: &Reads<'_>, lookups: &Lookups) -> Option<Instant> {
        let names = reads.keys().copied().chain(lookups.newest.keys());
        self.informer.changed_at(names, &lookups.listings)
    }

    /// Returns what is known of the keys of these versions.
    pub(crate) fn keys(&self, versions: &Versions) -> ParameterKeys {
        self.informer.keys(versions)
    }

    /// Returns a sentence about each key in use that cannot be used.
    pub(crate) fn key_warnings(&self) -> Vec<String> {
        self.informer.key_warnings()
    }

    /// Restores the newest version that was seen before a restart, so that an older one is not taken for news.
    pub(crate) fn remember_version(&self, parameter_ref: &ParameterRef, age: VersionAge) {
        self.informer.remember_version(parameter_ref, age);
    }

    /// Restores the key of a version that was known before a restart, so that it is not described again.
    pub(crate) fn remember_key(&self, parameter_ref: &ParameterRef, version: i64, key: &str) {
        self.informer.remember_key(parameter_ref, version, key);
    }

    /// Checks, before anything is decrypted, that what is to be read may fit into a Secret.
    ///
    /// # Errors
    /// `SecretTooLarge` if it certainly does not.
    pub(crate) fn check_size(&self, reads: &Reads<'_>, lookups: &Lookups) -> Result<(), Fault> {
        let size = self.informer.least_size(reads, &lookups.listings);
        if reads.len() <= MAX_READS && size <= MAX_SECRET_BYTES {
            return Ok(());
        }
        let message = format!(
            "The spec selects {} parameters with {} KiB of values or more, but an object may read at most {MAX_READS} \
             parameters, and a Secret may hold at most 1024 KiB; narrow include and exclude, or split the object.",
            reads.len(),
            size / 1_024
        );
        Err(Fault::new(Reason::SecretTooLarge, message))
    }

    /// Decrypts the values that a plan decrypts with KMS after reading them.
    pub(crate) async fn kms_decrypt_all(&self, plan: &Plan, reading: &Reading, object: &ObjectRef) -> KmsDecryption {
        kms_decrypt::decrypt_all(&self.client, &self.scope, plan, reading, object).await
    }

    /// Summarizes the errors of an object's parameters as one fault. `None` if there are none.
    pub(crate) fn fault(&self, errors: &BTreeMap<ParameterRef, ReadError>) -> Option<Fault> {
        read_error::fault(errors, &self.principal().arn, &self.scope)
    }
}
