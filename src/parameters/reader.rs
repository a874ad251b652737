//! What the controller asks: one reader per identity and region, with its batcher and its informer.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    Priority,
    batcher::{Batcher, Mode, Reply},
    error::{self, ReadError},
    index::Subscriber,
    informer::{Informer, Known},
    port::{Call, ParameterApi},
    quota::{Budget, Quotas},
};
use crate::domain::{
    Fault,
    audit::{AuditRecord, ObjectRef, Principal, Trail},
    aws_error::AwsError,
    decide::Purpose,
    event::Access,
    parameter::{Scope, Wanted},
    render::Values,
    revision::Versions,
};

/// Names to read, each with whether it may be absent.
pub type Reads<'a> = BTreeMap<&'a Wanted, bool>;

/// Reads Parameter Store as one identity in one region.
pub struct Reader<A> {
    batcher: Arc<Batcher<A>>,
    informer: Informer<A>,
    scope: Scope,
    budget: Arc<Budget>,
}

/// What came of reading an object's parameters.
#[derive(Debug, Default)]
pub struct Reading {
    /// What exists, and what does not.
    pub versions: Versions,
    /// Values.
    pub values: Values,
    /// What could not be read. Missing optional parameters are in `versions` as absent, not here.
    pub errors: BTreeMap<Wanted, ReadError>,
    /// The AWS calls that were made for it, each with the object's own parameters only.
    pub accesses: Vec<Access>,
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
        trail: Arc<dyn Trail>,
        changed: UnboundedSender<Subscriber>,
        object: &ObjectRef,
    ) -> Result<Self, AwsError> {
        let principal = identify(&api, &*trail, object).await?;
        let scope = Scope {
            partition: principal.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            region: api.region().to_owned(),
            account: principal.account.clone(),
        };
        let budget = quotas.budget(&scope.account, &scope.region);
        let batcher = Arc::new(Batcher::new(api, principal, Arc::clone(&budget), trail));
        // Somewhere in the second half of the first period: operators started together do not sweep together, and what
        // was only just read is not looked at right after.
        let informer = Informer::new(Arc::clone(&batcher), changed, 0.5 + super::random_fraction() / 2.0);
        Ok(Self { batcher, informer, scope, budget })
    }

    /// Asks again who the caller is: whether its credentials still stand.
    ///
    /// # Errors
    /// What STS or the way there said.
    pub async fn verify(&self, object: &ObjectRef) -> Result<(), AwsError> {
        identify(self.batcher.api(), &**self.batcher.trail(), object).await.map(drop)
    }

    /// Where plain names belong.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Who reads.
    pub fn principal(&self) -> &Principal {
        self.batcher.principal()
    }

    /// The budget of its account and region.
    pub const fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// How many names are watched, and how many calls a second that takes at the wanted intervals.
    pub fn load(&self) -> (usize, f64) {
        self.informer.load()
    }

    /// Makes an object watch these names: looked at once an `interval`, and as soon as possible if they were never
    /// seen and `look` says so.
    pub fn watch(
        &self,
        subscriber: &Subscriber,
        object: &ObjectRef,
        reads: &Reads<'_>,
        interval: Option<Duration>,
        look: bool,
    ) {
        let wanted = reads.keys().map(|wanted| (*wanted).clone()).collect();
        self.informer.subscribe(subscriber, object.clone(), wanted, interval, look);
    }

    /// Makes an object watch nothing.
    pub fn forget(&self, subscriber: &Subscriber) {
        self.informer.unsubscribe(subscriber);
    }

    /// What is known of names without asking.
    pub fn known(&self, reads: &Reads<'_>) -> Known {
        self.informer.known(reads)
    }

    /// Reads and decrypts.
    pub async fn read(&self, reads: &Reads<'_>, purpose: Purpose, object: &ObjectRef) -> Reading {
        let priority = Priority::of(purpose);
        let tenant = object.namespace.as_deref().unwrap_or_default();
        let object = object.because(purpose);
        let asked: Vec<_> = reads
            .iter()
            .map(|(wanted, optional)| {
                let objects = vec![object.clone()];
                let reply = self.batcher.ask(Mode::Decrypt, (*wanted).clone(), *optional, priority, tenant, objects);
                (*wanted, reply)
            })
            .collect();
        let mut reading = Reading::default();
        let mut accesses = Vec::new();
        for (wanted, reply) in asked {
            // The batcher answers every question unless the reader ends, and the object is looked at again then.
            let Ok(reply) = reply.await else { continue };
            self.keep(&mut reading, &mut accesses, wanted, reply);
        }
        reading.accesses = own(accesses, reads);
        reading
    }

    fn keep(&self, reading: &mut Reading, accesses: &mut Vec<Arc<Access>>, wanted: &Wanted, reply: Reply) {
        for access in reply.accesses {
            if !accesses.iter().any(|known| Arc::ptr_eq(known, &access)) {
                accesses.push(access);
            }
        }
        let last = accesses.last().cloned();
        match reply.result {
            Ok(Some(parameter)) => {
                self.informer.observe(wanted, Ok(parameter.metadata()), None);
                reading.versions.insert(wanted.clone(), Some(parameter.metadata()));
                reading.values.extend(parameter.value.clone().map(|value| (wanted.clone(), value)));
            }
            Ok(None) => {
                // Whoever can do without it is not told what exactly is missing; others may have asked, and know.
                if !self.informer.is_missing(wanted) {
                    self.informer.observe(wanted, Err(ReadError::NotFound), last);
                }
                reading.versions.insert(wanted.clone(), None);
            }
            Err(error) => {
                // Only what SSM itself says of a name counts for looks too; a denied decryption does not.
                if matches!(error, ReadError::NotFound | ReadError::VersionNotFound) {
                    self.informer.observe(wanted, Err(error.clone()), last);
                }
                reading.errors.insert(wanted.clone(), error);
            }
        }
    }

    /// The errors of an object's names as one fault.
    pub fn fault(&self, errors: &BTreeMap<Wanted, ReadError>) -> Option<Fault> {
        error::fault(errors, &self.principal().arn, &self.scope)
    }
}

async fn identify(api: &impl ParameterApi, trail: &dyn Trail, object: &ObjectRef) -> Result<Principal, AwsError> {
    let Call { facts, result } = api.get_caller_identity().await;
    let object = object.because(Purpose::Identity);
    trail.call(&AuditRecord::new(super::new_id(), &facts, result.as_ref().ok(), Vec::new(), vec![object]));
    result
}

/// Accesses with the object's own parameters only: a call serves many objects, and none is to learn what others read.
pub(super) fn own(accesses: Vec<Arc<Access>>, reads: &Reads<'_>) -> Vec<Access> {
    let own = |access: Arc<Access>| {
        let mut access = Access::clone(&access);
        access
            .parameters
            .retain(|parameter| reads.keys().any(|w| w.arn == parameter.arn && selector(w) == parameter.selector));
        let missing = |parameter: &crate::domain::audit::ParameterOutcome| {
            let mut asked = reads.iter().filter(|(w, _)| w.arn == parameter.arn && selector(w) == parameter.selector);
            parameter.outcome == "NotFound" && asked.any(|(_, optional)| !optional)
        };
        access.failed |= access.parameters.iter().any(missing);
        access
    };
    accesses.into_iter().map(own).filter(|access| !access.parameters.is_empty()).collect()
}

fn selector(wanted: &Wanted) -> Option<String> {
    wanted.selector.as_ref().map(ToString::to_string)
}
