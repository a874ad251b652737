//! What the controller asks: one reader per identity and region, with its batcher and its informer.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::Arc,
};

use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use crate::domain::{
    Fault,
    audit::{AuditRecord, AuditSink, ObjectRef, ParameterOutcome, Principal, aws_error::AwsError},
    parameter::{key::ParameterKeys, name::ParameterRef, revision::Versions, scope::Scope},
    plan::types::{Lookups, Plan, Reads},
    report::event::Access,
    schedule::decide::Purpose,
    secret::content::Values,
};
use crate::parameters::{
    Priority, Quotas, TokenBucket,
    audited_client::AuditedClient,
    batch::{Batcher, ReadReply, ReadRequest, SsmFallback},
    cache::{
        informer::{Informer, Known, LookUp},
        table::{Subscriber, Terms, Wants},
    },
    port::{Call, Mode, ParameterApi},
    read_error::{self, ReadError},
};

/// Reads Parameter Store as one identity in one region.
pub struct Reader<A> {
    pub(crate) caller: Arc<AuditedClient<A>>,
    batcher: Arc<Batcher<A>>,
    informer: Informer<A>,
    scope: Scope,
}

/// What came of reading an object's parameters.
#[derive(Debug, Default)]
pub struct Reading {
    /// What exists, and what does not.
    pub versions: Versions,
    /// Values.
    pub values: Values,
    /// What could not be read. Missing optional parameters are in `versions` as absent, not here.
    pub errors: BTreeMap<ParameterRef, ReadError>,
    /// The AWS calls that were made for it, each with the object's own parameters only.
    pub accesses: Vec<Access>,
    /// What Parameter Store decrypted although KMS was to do it, and why.
    pub detours: BTreeMap<ParameterRef, SsmFallback>,
}

impl<A> fmt::Debug for Reader<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.scope).finish()
    }
}

impl<A: ParameterApi> Reader<A> {
    /// Opens a reader: asks STS who the caller is, which also proves that the credentials work. `changed` is told the
    /// objects whose parameters changed.
    ///
    /// # Errors
    /// What STS or the way there said.
    pub async fn open(
        api: A,
        quotas: &Quotas,
        audit_sink: Arc<dyn AuditSink>,
        changed: UnboundedSender<Subscriber>,
        object: &ObjectRef,
    ) -> Result<Self, AwsError> {
        let principal = identify(&api, &*audit_sink, object).await?;
        let scope = Scope::of(&principal, api.region());
        let budgets = quotas.budgets(&scope.account, &scope.region);
        let caller = Arc::new(AuditedClient::new(api, principal, budgets, audit_sink));
        let batcher = Arc::new(Batcher::new(Arc::clone(&caller)));
        // Somewhere in the second half of the first period: operators started together do not sweep together, and what
        // was only just read is not looked at right after.
        let offset = 0.5 + super::random_fraction() / 2.0;
        let informer = Informer::new(Arc::clone(&caller), Arc::clone(&batcher), scope.clone(), changed, offset);
        Ok(Self { caller, batcher, informer, scope })
    }

    /// Asks again who the caller is: whether its credentials still stand.
    ///
    /// # Errors
    /// What STS or the way there said.
    pub async fn verify(&self, object: &ObjectRef) -> Result<(), AwsError> {
        identify(&self.caller.api, &*self.caller.audit_sink, object).await.map(drop)
    }

    /// Where plain names belong.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Who reads.
    pub fn principal(&self) -> &Principal {
        &self.caller.principal
    }

    /// The budget of its account and region.
    pub fn budget(&self) -> &TokenBucket {
        &self.caller.budgets.parameters
    }

    /// How many names are watched, and how many calls a second that takes at the wanted intervals.
    pub fn load(&self) -> (usize, f64) {
        self.informer.load()
    }

    /// Makes an object watch what its plan wants on these terms, and has it looked at as soon as possible if it was never
    /// seen and `look` says so.
    pub fn watch(&self, subscriber: &Subscriber, object: &ObjectRef, plan: &Plan, terms: Terms, look: bool) {
        let lookups = plan.lookups();
        // Of whose newest version counts nothing is decrypted.
        let newest = Terms { revalidate: None, ..terms };
        let mut names: BTreeMap<_, _> =
            lookups.newest.into_keys().map(|parameter_ref| (parameter_ref, newest)).collect();
        for (parameter_ref, read) in plan.reads() {
            let revalidate = terms.revalidate.filter(|_| !parameter_ref.is_reference());
            let interval = terms.interval.filter(|_| !read.listed);
            names.insert(parameter_ref.clone(), Terms { interval, revalidate, ..terms });
        }
        let listings = lookups.listings.into_iter().map(|listing| (listing, terms.interval)).collect();
        self.informer.subscribe(subscriber, object.clone(), Wants { names, listings }, look);
    }

    /// What is known, without asking, of what has to be looked up; `None` if something was never seen.
    pub fn looked_up(&self, lookups: &Lookups) -> Option<LookUp> {
        self.informer.looked_up(lookups)
    }

    /// Looks up: what is not known yet, or all of it `anew`. For an object that watches it.
    pub async fn look_up<'a>(&self, lookups: &'a Lookups, purpose: Purpose, anew: bool, object: &ObjectRef) -> LookUp {
        let priority = Priority::of(purpose);
        self.informer.list(&lookups.listings, priority, anew).await;
        let is_known = |parameter_ref: &ParameterRef| {
            let newest = BTreeMap::from([(parameter_ref.clone(), false)]);
            let known = self.informer.looked_up(&Lookups { newest, ..Lookups::default() });
            known.is_some_and(|known| known.errors.is_empty())
        };
        let unknown = lookups.newest.keys().filter(|parameter_ref| anew || !is_known(parameter_ref));
        let ask = |parameter_ref: &'a ParameterRef| {
            let question = ReadRequest::new(parameter_ref.clone(), priority, vec![object.with_purpose(purpose)]);
            (parameter_ref, self.batcher.ask(question))
        };
        let asked: Vec<_> = unknown.map(ask).collect();
        for (parameter_ref, reply) in asked {
            // The batcher answers every question unless the reader ends, and the object is looked at again then.
            let Ok(ReadReply { result, accesses, .. }) = reply.await else { continue };
            let result = match result {
                Ok(Some(parameter)) => Ok(parameter.metadata()),
                Ok(None) => Err(ReadError::NotFound),
                Err(error) => Err(error),
            };
            let access = accesses.into_iter().next_back().filter(|_| result.is_err());
            self.informer.observe(parameter_ref, result, access);
        }
        self.informer.looked_up(lookups).unwrap_or_else(|| {
            let listings = lookups.listings.iter().map(|listing| listing.parameter_ref(&self.scope));
            let unanswered = listings.chain(lookups.newest.keys().cloned());
            let errors = unanswered.map(|parameter_ref| (parameter_ref, ReadError::unanswered())).collect();
            LookUp { errors, ..LookUp::default() }
        })
    }

    /// Makes an object watch nothing.
    pub fn forget(&self, subscriber: &Subscriber) {
        self.informer.unsubscribe(subscriber);
    }

    /// What is known of names without asking.
    pub fn known(&self, reads: &Reads<'_>) -> Known {
        self.informer.known(reads)
    }

    /// When the newest change of any of these was seen.
    pub fn changed_at(&self, reads: &Reads<'_>, lookups: &Lookups) -> Option<Instant> {
        let names = reads.keys().copied().chain(lookups.newest.keys());
        self.informer.changed_at(names, &lookups.listings)
    }

    /// What is known of the keys of these versions.
    pub fn keys(&self, versions: &Versions) -> ParameterKeys {
        self.informer.keys(versions)
    }

    /// Takes over what was known of a key before a restart, so that it need not be learnt again.
    pub fn remember_key(&self, parameter_ref: &ParameterRef, version: i64, key: &str) {
        self.informer.remember_key(parameter_ref, version, key);
    }

    /// Reads and decrypts.
    pub async fn read(&self, reads: &Reads<'_>, mode: Mode, purpose: Purpose, object: &ObjectRef) -> Reading {
        // What a look saw is in the answer of every call that began after it, whoever made it.
        let since = (purpose == Purpose::ParameterChanged).then(|| self.changed_at(reads, &Lookups::default()));
        let asked: Vec<_> = reads
            .iter()
            .map(|(parameter_ref, read)| {
                let question = ReadRequest {
                    parameter_ref: (*parameter_ref).clone(),
                    mode,
                    optional: read.optional,
                    priority: Priority::of(purpose),
                    tenant: object.namespace.clone().unwrap_or_default(),
                    objects: vec![object.with_purpose(purpose)],
                    since: since.flatten(),
                    changed_at: self.informer.changed_at(std::iter::once(*parameter_ref), &BTreeSet::new()),
                };
                (*parameter_ref, self.batcher.ask(question))
            })
            .collect();
        let mut reading = Reading::default();
        let mut accesses = Vec::new();
        for (parameter_ref, reply) in asked {
            let Ok(reply) = reply.await else {
                reading.errors.insert(parameter_ref.clone(), ReadError::unanswered());
                continue;
            };
            self.keep(&mut reading, &mut accesses, parameter_ref, reply);
        }
        reading.accesses = own(accesses, reads);
        reading
    }

    fn keep(
        &self,
        reading: &mut Reading,
        accesses: &mut Vec<Arc<Access>>,
        parameter_ref: &ParameterRef,
        reply: ReadReply,
    ) {
        for access in reply.accesses {
            if !accesses.iter().any(|known| Arc::ptr_eq(known, &access)) {
                accesses.push(access);
            }
        }
        let last = accesses.last().cloned();
        match reply.result {
            Ok(Some(parameter)) => {
                self.informer.observe(parameter_ref, Ok(parameter.metadata()), None);
                self.informer.decrypted(parameter_ref, parameter.version, parameter.key.as_deref());
                if let Some(detour) = reply.detour {
                    self.batcher.confirm_detour(&parameter_ref.arn);
                    reading.detours.insert(parameter_ref.clone(), detour);
                }
                reading.versions.insert(parameter_ref.clone(), Some(parameter.metadata()));
                reading.values.extend(parameter.value.clone().map(|value| (parameter_ref.clone(), value)));
            }
            Ok(None) => {
                // Whoever can do without it is not told what exactly is missing; others may have asked, and know.
                if !self.informer.is_missing(parameter_ref) {
                    self.informer.observe(parameter_ref, Err(ReadError::NotFound), last);
                }
                reading.versions.insert(parameter_ref.clone(), None);
            }
            Err(error) => {
                // Only what SSM itself says of a name counts for looks too; a denied decryption does not.
                if matches!(error, ReadError::NotFound | ReadError::VersionNotFound) {
                    self.informer.observe(parameter_ref, Err(error.clone()), last);
                }
                reading.errors.insert(parameter_ref.clone(), error);
            }
        }
    }

    /// The errors of an object's names as one fault.
    pub fn fault(&self, errors: &BTreeMap<ParameterRef, ReadError>) -> Option<Fault> {
        read_error::fault(errors, &self.principal().arn, &self.scope)
    }
}

async fn identify(
    api: &impl ParameterApi,
    audit_sink: &dyn AuditSink,
    object: &ObjectRef,
) -> Result<Principal, AwsError> {
    let object = object.with_purpose(Purpose::Identity);
    let ask = async || {
        let Call { facts, result } = api.get_caller_identity().await;
        audit_sink.record_call(&AuditRecord::new(
            super::new_id(),
            &facts,
            result.as_ref().ok(),
            Vec::new(),
            vec![object.clone()],
        ));
        result
    };
    match ask().await {
        // The client learns from the refusal how far its clock is off, and allows for it from the next call on.
        Err(error) if error.is_clock_skew() => ask().await,
        result => result,
    }
}

/// Accesses with the object's own parameters only: a call serves many objects, and none is to learn what others read.
pub(crate) fn own(accesses: Vec<Arc<Access>>, reads: &Reads<'_>) -> Vec<Access> {
    let selector = |parameter_ref: &ParameterRef| parameter_ref.selector.as_ref().map(ToString::to_string);
    let asked: HashMap<_, _> = reads
        .iter()
        .map(|(parameter_ref, read)| ((parameter_ref.arn.as_str(), selector(parameter_ref)), read.optional))
        .collect();
    let is_optional =
        |parameter: &ParameterOutcome| asked.get(&(parameter.arn.as_str(), parameter.selector.clone())).copied();
    let own = |access: Arc<Access>| {
        let mut access = Access::clone(&access);
        access.parameters.retain(|parameter| is_optional(parameter).is_some());
        let is_missing = |p: &ParameterOutcome| p.outcome == "NotFound" && is_optional(p) == Some(false);
        access.failed |= access.parameters.iter().any(is_missing);
        access
    };
    accesses.into_iter().map(own).filter(|access| !access.parameters.is_empty()).collect()
}
