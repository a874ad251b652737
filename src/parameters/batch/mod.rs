//! All reads of one identity meet here: de-duplicated, ten to a call, within the budget, retried, audited.
//!
//! One task forms the calls, so that what goes into a call is decided when its token is there, not before. Calls run
//! beside it. Whoever waits for a name holds one end of a channel; when that is dropped, the name leaves the batch.
//!
//! | Module | Holds |
//! | --- | --- |
//! | `forming` | which names make up the next call, and when |
//! | `calling` | the call, its record, and what becomes of its names |
//! | `direct` | values that KMS decrypts instead of Parameter Store |
//! | `in_flight` | those who come late for a call that is under way |

mod direct_kms;
mod dispatch;
mod in_flight;
pub mod match_response;
pub mod queue;
mod schedule;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::Instant,
};

pub use self::direct_kms::SsmFallback;
use crate::domain::{audit::ObjectRef, parameter::name::ParameterRef, report::event::Access};
use crate::parameters::batch::{direct_kms::SsmFallbacks, in_flight::InFlight};
use crate::parameters::{
    Priority,
    audited_client::AuditedClient,
    batch::queue::{QueuedName, RequestQueue, Waiter},
    port::{Mode, Parameter, ParameterApi},
    read_error::ReadError,
};

/// How long a read waits for company.
const BATCH_WINDOW: Duration = Duration::from_millis(25);
/// So long after values were asked for there is nothing more urgent than anything else.
const QUIET_AFTER: Duration = Duration::from_secs(2);
/// Most calls under way at a time.
const MAX_IN_FLIGHT: usize = 10;

/// A question for one name.
pub struct ReadRequest {
    /// The name.
    pub parameter_ref: ParameterRef,
    /// What the answer is to bring.
    pub mode: Mode,
    /// Whether the name may be absent.
    pub optional: bool,
    /// Urgency.
    pub priority: Priority,
    /// On behalf of whom, for fairness: a namespace.
    pub tenant: String,
    /// For whom, for the audit.
    pub objects: Vec<ObjectRef>,
    /// How old the answer may be: one of a call that is under way will do if it began after this. None: one that is
    /// yet to begin.
    pub since: Option<Instant>,
    /// When the name was last seen to be another than before.
    pub changed_at: Option<Instant>,
}

impl ReadRequest {
    /// A question for the version of a name that must exist, on behalf of nobody in particular.
    pub const fn new(parameter_ref: ParameterRef, priority: Priority, objects: Vec<ObjectRef>) -> Self {
        Self {
            parameter_ref,
            mode: Mode::Look,
            optional: false,
            priority,
            tenant: String::new(),
            objects,
            since: None,
            changed_at: None,
        }
    }
}

/// What came of a name.
#[derive(Clone, Debug)]
pub struct ReadReply {
    /// The parameter, or why not. `Ok(None)` if it does not exist and that is allowed.
    pub result: Result<Option<Arc<Parameter>>, ReadError>,
    /// The calls that were made for it.
    pub accesses: Vec<Arc<Access>>,
    /// Why Parameter Store decrypted what KMS was to decrypt.
    pub detour: Option<SsmFallback>,
}

/// Forms and makes the calls of one identity. Ends when dropped.
pub struct Batcher<A> {
    shared: Arc<Shared<A>>,
    former: tokio::task::JoinHandle<()>,
}

/// What the task that forms calls, the calls and the callers share.
struct Shared<A> {
    caller: Arc<AuditedClient<A>>,
    looks: Mutex<RequestQueue>,
    decrypts: Mutex<RequestQueue>,
    directs: Mutex<RequestQueue>,
    in_flight: Mutex<InFlight>,
    detours: Mutex<SsmFallbacks>,
    /// When values were last asked for.
    asked_at: Mutex<Option<Instant>>,
    added: Notify,
    room: Arc<Semaphore>,
}

impl<A> Drop for Batcher<A> {
    fn drop(&mut self) {
        self.former.abort();
    }
}

impl<A: ParameterApi> Batcher<A> {
    /// Starts.
    pub fn new(caller: Arc<AuditedClient<A>>) -> Self {
        let shared = Arc::new(Shared {
            caller,
            looks: Mutex::default(),
            decrypts: Mutex::default(),
            directs: Mutex::default(),
            in_flight: Mutex::default(),
            detours: Mutex::default(),
            asked_at: Mutex::default(),
            added: Notify::new(),
            room: Arc::new(Semaphore::new(MAX_IN_FLIGHT)),
        });
        let former = tokio::spawn(Arc::clone(&shared).form_calls());
        Self { shared, former }
    }

    /// Asks for a name. The answer comes through the receiver; dropping it withdraws the question.
    pub fn ask(&self, question: ReadRequest) -> oneshot::Receiver<ReadReply> {
        let ReadRequest { parameter_ref, mode, optional, priority, tenant, objects, since, changed_at } = question;
        let (reply, receiver) = oneshot::channel();
        let detour =
            if mode == Mode::Direct { locked(&self.shared.detours).of(&parameter_ref.arn, changed_at) } else { None };
        let mode = match mode {
            // Parameter Store hands secrets of Secrets Manager through, decrypted or not at all.
            Mode::Look | Mode::Direct if parameter_ref.is_reference() => Mode::Decrypt,
            Mode::Direct if detour.is_some() => Mode::Decrypt,
            mode => mode,
        };
        if mode != Mode::Look {
            *locked(&self.shared.asked_at) = Some(Instant::now());
        }
        let waiter = Waiter { reply, objects, optional, since: Instant::now(), detour };
        // Under one lock with what takes names into a call: a name is either waiting or under way.
        let mut pending = self.shared.pending(mode);
        let waiter = match since {
            Some(since) => locked(&self.shared.in_flight).join(mode, &parameter_ref, since, waiter),
            None => Some(waiter),
        };
        if let Some(waiter) = waiter {
            pending.add(QueuedName::new(parameter_ref, waiter, priority, &tenant));
            self.shared.added.notify_one();
        }
        receiver
    }

    /// Notes that a parameter that took the detour is now known in the version that did.
    pub fn confirm_detour(&self, arn: &str) {
        locked(&self.shared.detours).confirm(arn);
    }

    /// Whether somebody waits for values, or did a moment ago.
    pub fn is_busy(&self) -> bool {
        let waits = |mode| self.shared.pending(mode).deadline().is_some();
        let asked_just_now = || locked(&self.shared.asked_at).is_some_and(|at| at.elapsed() < QUIET_AFTER);
        asked_just_now() || [Mode::Decrypt, Mode::Direct].into_iter().any(waits)
    }
}

impl<A> Shared<A> {
    fn pending(&self, mode: Mode) -> MutexGuard<'_, RequestQueue> {
        locked(match mode {
            Mode::Look => &self.looks,
            Mode::Decrypt => &self.decrypts,
            Mode::Direct => &self.directs,
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
