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
//! | `under_way` | those who come late for a call that is under way |

mod calling;
mod direct;
mod forming;
mod under_way;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::Instant,
};

pub use self::direct::Detour;
use self::{direct::Detours, under_way::UnderWay};
use super::{
    Priority,
    caller::Caller,
    error::ReadError,
    pending::{Item, Pending, Waiter},
    port::{Mode, Parameter, ParameterApi},
};
use crate::domain::{audit::ObjectRef, event::Access, parameter::Wanted};

/// How long a read waits for company.
const LINGER: Duration = Duration::from_millis(25);
/// So long after values were asked for there is nothing more urgent than anything else.
const CALM: Duration = Duration::from_secs(2);
/// Most calls under way at a time.
const UNDER_WAY: usize = 10;

/// A question for one name.
pub struct Question {
    /// The name.
    pub wanted: Wanted,
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

impl Question {
    /// A question for the version of a name that must exist, on behalf of nobody in particular.
    pub const fn new(wanted: Wanted, priority: Priority, objects: Vec<ObjectRef>) -> Self {
        Self {
            wanted,
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
pub struct Reply {
    /// The parameter, or why not. `Ok(None)` if it does not exist and that is allowed.
    pub result: Result<Option<Arc<Parameter>>, ReadError>,
    /// The calls that were made for it.
    pub accesses: Vec<Arc<Access>>,
    /// Why Parameter Store decrypted what KMS was to decrypt.
    pub detour: Option<Detour>,
}

/// Forms and makes the calls of one identity. Ends when dropped.
pub struct Batcher<A> {
    shared: Arc<Shared<A>>,
    former: tokio::task::JoinHandle<()>,
}

/// What the task that forms calls, the calls and the callers share.
struct Shared<A> {
    caller: Arc<Caller<A>>,
    looks: Mutex<Pending>,
    decrypts: Mutex<Pending>,
    directs: Mutex<Pending>,
    under_way: Mutex<UnderWay>,
    detours: Mutex<Detours>,
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
    pub fn new(caller: Arc<Caller<A>>) -> Self {
        let shared = Arc::new(Shared {
            caller,
            looks: Mutex::default(),
            decrypts: Mutex::default(),
            directs: Mutex::default(),
            under_way: Mutex::default(),
            detours: Mutex::default(),
            asked_at: Mutex::default(),
            added: Notify::new(),
            room: Arc::new(Semaphore::new(UNDER_WAY)),
        });
        let former = tokio::spawn(Arc::clone(&shared).form_calls());
        Self { shared, former }
    }

    /// Asks for a name. The answer comes through the receiver; dropping it withdraws the question.
    pub fn ask(&self, question: Question) -> oneshot::Receiver<Reply> {
        let Question { wanted, mode, optional, priority, tenant, objects, since, changed_at } = question;
        let (reply, receiver) = oneshot::channel();
        let detour = if mode == Mode::Direct { locked(&self.shared.detours).of(&wanted.arn, changed_at) } else { None };
        let mode = match mode {
            // Parameter Store hands secrets of Secrets Manager through, decrypted or not at all.
            Mode::Look | Mode::Direct if wanted.is_reference() => Mode::Decrypt,
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
            Some(since) => locked(&self.shared.under_way).join(mode, &wanted, since, waiter),
            None => Some(waiter),
        };
        if let Some(waiter) = waiter {
            pending.add(Item::new(wanted, waiter, priority, &tenant));
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
        let asked_just_now = || locked(&self.shared.asked_at).is_some_and(|at| at.elapsed() < CALM);
        asked_just_now() || [Mode::Decrypt, Mode::Direct].into_iter().any(waits)
    }
}

impl<A> Shared<A> {
    fn pending(&self, mode: Mode) -> MutexGuard<'_, Pending> {
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
