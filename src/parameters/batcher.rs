//! All reads of one identity meet here: de-duplicated, ten to a call, within the budget, retried, audited.
//!
//! One task forms the calls, so that what goes into a call is decided when its token is there, not before. Calls run
//! beside it. Whoever waits for a name holds one end of a channel; when that is dropped, the name leaves the batch.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore, oneshot},
    time::{Instant, sleep, sleep_until},
};

use super::{
    Priority,
    answer::{failed, match_answer, objects, outcome, split},
    error::ReadError,
    pending::{Item, Pending, Waiter},
    port::{Call, Parameter, ParameterApi},
    quota::Budget,
};
use crate::domain::{
    audit::{AuditRecord, ObjectRef, Principal, Resource, Trail},
    aws_error::{AwsError, AwsErrorKind, KeyState, key_arn},
    decide::Purpose,
    event::Access,
    parameter::Wanted,
};

/// How long a read waits for company.
const LINGER: Duration = Duration::from_millis(25);
/// Most calls under way at a time.
const UNDER_WAY: usize = 32;
/// How long throttled reads are tried again before their object is told.
const THROTTLED_PATIENCE: Duration = Duration::from_secs(30);
/// How often a read is tried again after AWS failed or could not be reached.
const RETRIES: u32 = 1;
/// How long that waits.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// What came of a name.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The parameter, or why not. `Ok(None)` if it does not exist and that is allowed.
    pub result: Result<Option<Arc<Parameter>>, ReadError>,
    /// The calls that were made for it.
    pub accesses: Vec<Arc<Access>>,
}

/// Whether a call decrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Versions only.
    Look,
    /// Values.
    Decrypt,
}

/// Forms and makes the calls of one identity. Ends when dropped.
pub struct Batcher<A> {
    shared: Arc<Shared<A>>,
    former: tokio::task::JoinHandle<()>,
}

/// What the task that forms calls, the calls and the callers share.
struct Shared<A> {
    api: A,
    principal: Principal,
    budget: Arc<Budget>,
    trail: Arc<dyn Trail>,
    looks: Mutex<Pending>,
    decrypts: Mutex<Pending>,
    added: Notify,
    under_way: Arc<Semaphore>,
}

impl<A> Drop for Batcher<A> {
    fn drop(&mut self) {
        self.former.abort();
    }
}

impl<A: ParameterApi> Batcher<A> {
    /// Starts.
    pub fn new(api: A, principal: Principal, budget: Arc<Budget>, trail: Arc<dyn Trail>) -> Self {
        let shared = Arc::new(Shared {
            api,
            principal,
            budget,
            trail,
            looks: Mutex::default(),
            decrypts: Mutex::default(),
            added: Notify::new(),
            under_way: Arc::new(Semaphore::new(UNDER_WAY)),
        });
        let former = tokio::spawn(Arc::clone(&shared).form_calls());
        Self { shared, former }
    }

    /// The caller.
    pub fn principal(&self) -> &Principal {
        &self.shared.principal
    }

    /// The port, for calls outside the budget of Parameter Store.
    pub fn api(&self) -> &A {
        &self.shared.api
    }

    /// The audit stream.
    pub fn trail(&self) -> &Arc<dyn Trail> {
        &self.shared.trail
    }

    /// Asks for a name. The answer comes through the receiver; dropping it withdraws the question.
    pub fn ask(
        &self,
        mode: Mode,
        wanted: Wanted,
        optional: bool,
        priority: Priority,
        tenant: &str,
        objects: Vec<ObjectRef>,
    ) -> oneshot::Receiver<Reply> {
        let (reply, receiver) = oneshot::channel();
        let waiter = Waiter { reply, objects, optional, since: Instant::now() };
        let item = Item::new(wanted, waiter, priority, tenant);
        self.shared.pending(mode).add(item);
        self.shared.added.notify_one();
        receiver
    }
}

impl<A: ParameterApi> Shared<A> {
    fn pending(&self, mode: Mode) -> MutexGuard<'_, Pending> {
        let pending = if mode == Mode::Look { &self.looks } else { &self.decrypts };
        pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn form_calls(self: Arc<Self>) {
        loop {
            if self.most_urgent().is_none() {
                self.added.notified().await;
                continue;
            }
            // Room first, then a token, then the names: what goes into a call is decided last. The semaphore is never
            // closed.
            let Ok(room) = Arc::clone(&self.under_way).acquire_owned().await else { return };
            let Some((mode, batch)) = self.next_call().await else { continue };
            let shared = Arc::clone(&self);
            tokio::spawn(async move {
                shared.call(mode, batch).await;
                drop(room);
            });
        }
    }

    /// Waits until the most urgent names may be asked for. `None` if something else became more urgent, or nobody waits
    /// any more.
    async fn next_call(&self) -> Option<(Mode, Vec<Item>)> {
        let (mode, _) = self.most_urgent()?;
        self.linger(mode).await;
        // Whatever is added meanwhile may be more urgent: then the place in the line is taken anew.
        let (_, deadline) = self.most_urgent()?;
        tokio::select! {
            biased;
            () = self.budget.acquire(deadline) => {}
            () = self.more_urgent_than(deadline) => return None,
        }
        let batch = self.most_urgent().map(|(mode, _)| (mode, self.pending(mode).take(Instant::now())));
        let batch = batch.filter(|(_, batch)| !batch.is_empty());
        if batch.is_none() {
            self.budget.give_back();
        }
        batch
    }

    fn most_urgent(&self) -> Option<(Mode, Instant)> {
        let decrypt = self.pending(Mode::Decrypt).deadline().map(|deadline| (Mode::Decrypt, deadline));
        let look = self.pending(Mode::Look).deadline().map(|deadline| (Mode::Look, deadline));
        match (decrypt, look) {
            (Some(decrypt), Some(look)) if look.1 < decrypt.1 => Some(look),
            (decrypt, look) => decrypt.or(look),
        }
    }

    async fn more_urgent_than(&self, deadline: Instant) {
        loop {
            self.added.notified().await;
            if self.most_urgent().is_some_and(|(_, now)| now < deadline) {
                return;
            }
        }
    }

    /// Waits for company, unless the call is full already or its first name has waited long enough.
    async fn linger(&self, mode: Mode) {
        loop {
            let since = self.pending(mode).incomplete_since();
            let Some(until) = since.map(|since| since + LINGER).filter(|until| *until > Instant::now()) else {
                return;
            };
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.added.notified() => {}
            }
        }
    }

    async fn call(self: &Arc<Self>, mode: Mode, batch: Vec<Item>) {
        let names: Vec<_> = batch.iter().map(|item| item.wanted.request_name()).collect();
        let call = self.api.get_parameters(&names, mode == Mode::Decrypt).await;
        let wanted: Vec<_> = batch.iter().map(|item| &item.wanted).collect();
        let Call { facts, result } = call;
        let result = result.map(|answer| match_answer(&wanted, answer));
        let access = Arc::new(self.record(mode, facts, &batch, &wanted, result.as_ref().ok()));
        match result {
            Ok(found) => self.answer(mode, batch, found, &access).await,
            Err(error) => self.refused(mode, batch, error, &access).await,
        }
    }

    /// Audits a call.
    fn record(
        &self,
        mode: Mode,
        mut facts: crate::domain::audit::CallFacts,
        batch: &[Item],
        asked: &[&Wanted],
        found: Option<&Vec<Option<Arc<Parameter>>>>,
    ) -> Access {
        facts.resources = asked.iter().map(|wanted| Resource::parameter(&wanted.arn)).collect();
        let decrypts = mode == Mode::Decrypt;
        let outcomes: Vec<_> = match found {
            Some(found) => {
                asked.iter().zip(found).map(|(wanted, found)| outcome(wanted, found.as_deref(), decrypts)).collect()
            }
            None => asked.iter().map(|wanted| failed(wanted)).collect(),
        };
        let audit_id = super::new_id();
        let mut objects = objects(batch);
        if !decrypts {
            for object in &mut objects {
                *object = object.because(Purpose::VersionCheck);
            }
        }
        let record = AuditRecord::new(audit_id.clone(), &facts, Some(&self.principal), outcomes.clone(), objects);
        self.trail.call(&record);
        Access {
            event_name: facts.event_name,
            request_id: facts.request_id,
            audit_id,
            time: facts.event_time,
            decrypting: decrypts,
            parameters: outcomes,
            failed: found.is_none(),
        }
    }

    /// Hands out what was found. Of names with a version or label that were not, the base name decides whether it is
    /// the parameter or the version that is missing: asked without decryption, so that no other IAM action is needed.
    async fn answer(
        self: &Arc<Self>,
        mode: Mode,
        batch: Vec<Item>,
        found: Vec<Option<Arc<Parameter>>>,
        access: &Arc<Access>,
    ) {
        let mut unclear = Vec::new();
        for (item, found) in batch.into_iter().zip(found) {
            self.pending(mode).set_apart(&item.wanted, false);
            let is_needed = item.waiters.iter().any(|waiter| !waiter.optional);
            if found.is_none() && item.wanted.selector.is_some() && is_needed {
                unclear.push(item);
            } else {
                let result = found.map(Some).ok_or(ReadError::NotFound);
                item.deliver(&result, std::slice::from_ref(access));
            }
        }
        if unclear.is_empty() {
            return;
        }
        let bases: Vec<_> = unclear.iter().map(|item| Wanted { selector: None, ..item.wanted.clone() }).collect();
        let names: Vec<_> = bases.iter().map(Wanted::request_name).collect();
        self.budget.acquire(Instant::now()).await;
        let Call { facts, result } = self.api.get_parameters(&names, false).await;
        let asked: Vec<_> = bases.iter().collect();
        let result = result.map(|answer| match_answer(&asked, answer));
        let second = Arc::new(self.record(Mode::Look, facts, &unclear, &asked, result.as_ref().ok()));
        let found = match result {
            Ok(found) => found,
            // Nothing is known then, least of all that the parameter does not exist.
            Err(error) => return self.refused(mode, unclear, error, &second).await,
        };
        for (item, found) in unclear.into_iter().zip(found) {
            let error = if found.is_some() { ReadError::VersionNotFound } else { ReadError::NotFound };
            item.deliver(&Err(error), &[access.clone(), second.clone()]);
        }
    }

    /// Deals with a call that failed as a whole: tries again, or finds out whose fault it was.
    async fn refused(self: &Arc<Self>, mode: Mode, batch: Vec<Item>, error: AwsError, access: &Arc<Access>) {
        match error.kind {
            AwsErrorKind::Throttled => {
                self.budget.throttled();
                let is_over = |waiter: &Waiter| waiter.since.elapsed() >= THROTTLED_PATIENCE;
                let (given_up, again) = batch.into_iter().map(|item| item.divide(is_over)).unzip();
                self.ask_again(mode, again);
                Self::deliver_error(given_up, error, None, access);
            }
            AwsErrorKind::ServiceUnavailable | AwsErrorKind::EndpointUnreachable => {
                let (mut again, given_up): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|item| item.attempts < RETRIES);
                if !again.is_empty() {
                    for item in &mut again {
                        item.attempts += 1;
                    }
                    sleep(RETRY_AFTER).await;
                    self.ask_again(mode, again);
                }
                Self::deliver_error(given_up, error, None, access);
            }
            AwsErrorKind::CredentialsInvalid => Self::deliver_error(batch, error, None, access),
            _ if batch.len() > 1 => {
                let [first, second] = split(batch, &error);
                let mut pending = self.pending(mode);
                pending.add_part(first);
                pending.add_part(second);
                drop(pending);
                self.added.notify_one();
            }
            _ => {
                if let Some(culprit) = batch.first() {
                    self.pending(mode).set_apart(&culprit.wanted, true);
                }
                let key = self.key_in_the_way(&error, &batch).await;
                Self::deliver_error(batch, error, key, access);
            }
        }
    }

    fn ask_again(&self, mode: Mode, items: Vec<Item>) {
        let mut pending = self.pending(mode);
        for mut item in items {
            if item.is_wanted() {
                pending.add(item);
            }
        }
        drop(pending);
        self.added.notify_one();
    }

    fn deliver_error(items: Vec<Item>, error: AwsError, key: Option<KeyState>, access: &Arc<Access>) {
        let error = ReadError::Call { error: Arc::new(error), key };
        for item in items {
            item.deliver(&Err(error.clone()), std::slice::from_ref(access));
        }
    }

    /// Asks KMS about the key that a failed call names, for the message; no answer is no harm.
    async fn key_in_the_way(&self, error: &AwsError, batch: &[Item]) -> Option<KeyState> {
        if error.kind != AwsErrorKind::KeyUnavailable {
            return None;
        }
        let arn = key_arn(&error.message)?;
        let Call { mut facts, result } = self.api.describe_key(arn).await;
        facts.resources = vec![Resource::key(arn)];
        let objects = objects(batch).into_iter().map(|object| object.because(Purpose::KeyState));
        let record = AuditRecord::new(super::new_id(), &facts, Some(&self.principal), Vec::new(), objects.collect());
        self.trail.call(&record);
        result.ok()
    }
}

impl Item {
    fn deliver(self, result: &Result<Option<Arc<Parameter>>, ReadError>, accesses: &[Arc<Access>]) {
        for waiter in self.waiters {
            let absent = waiter.optional && matches!(result, Err(ReadError::NotFound | ReadError::VersionNotFound));
            let result = if absent { Ok(None) } else { result.clone() };
            // Whoever waited may have gone.
            let _ = waiter.reply.send(Reply { result, accesses: accesses.to_vec() });
        }
    }
}
