//! Which names make up the next call, and when it is made.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use crate::parameters::batch::{BATCH_WINDOW, Shared, locked};
use crate::parameters::{
    CallPermit,
    batch::queue::QueuedName,
    port::{Mode, ParameterApi},
};

/// A call that is about to be made.
struct NextCall {
    mode: Mode,
    batch: Vec<QueuedName>,
    began: Instant,
    spent: CallPermit,
}

impl<A: ParameterApi> Shared<A> {
    pub(crate) async fn form_calls(self: Arc<Self>) {
        loop {
            if self.most_urgent().is_none() {
                self.added.notified().await;
                continue;
            }
            // Room first, then a token, then the names: what goes into a call is decided last. The semaphore is never
            // closed.
            let Ok(room) = Arc::clone(&self.room).acquire_owned().await else { return };
            let Some(NextCall { mode, batch, began, spent }) = self.next_call().await else { continue };
            let shared = Arc::clone(&self);
            tokio::spawn(async move {
                shared.call(mode, batch, began, spent).await;
                drop(room);
            });
        }
    }

    /// Waits until the most urgent names may be asked for. `None` if something else became more urgent, or nobody waits
    /// any more.
    async fn next_call(&self) -> Option<NextCall> {
        let (mode, _) = self.most_urgent()?;
        self.linger(mode).await;
        // Whatever is added meanwhile may be more urgent: then the place in the line is taken anew.
        let (_, deadline) = self.most_urgent()?;
        let budget = &self.caller.budgets.parameters;
        let spent = tokio::select! {
            biased;
            spent = budget.acquire(deadline) => spent,
            () = self.more_urgent_than(deadline) => return None,
        };
        let taken = self.most_urgent().and_then(|(mode, _)| Some((mode, self.take(mode)?)));
        let Some((mode, (batch, began))) = taken else {
            budget.give_back();
            return None;
        };
        Some(NextCall { mode, batch, began, spent })
    }

    /// Takes the names of a call, which are under way from then on.
    fn take(&self, mode: Mode) -> Option<(Vec<QueuedName>, Instant)> {
        let now = Instant::now();
        let mut pending = self.pending(mode);
        let batch = Some(pending.take(now)).filter(|batch| !batch.is_empty())?;
        locked(&self.in_flight).begin(mode, &batch, now);
        Some((batch, now))
    }

    fn most_urgent(&self) -> Option<(Mode, Instant)> {
        let deadline = |mode| self.pending(mode).deadline().map(|deadline| (mode, deadline));
        // Of equally urgent ones the first counts: values before versions.
        [Mode::Decrypt, Mode::Direct, Mode::Look].into_iter().filter_map(deadline).min_by_key(|(_, deadline)| *deadline)
    }

    async fn more_urgent_than(&self, deadline: Instant) {
        loop {
            self.added.notified().await;
            if self.most_urgent().is_some_and(|(_, now)| now < deadline) {
                return;
            }
        }
    }

    /// Waits for company until what waits longest has done so for long enough. Also where the call is full already:
    /// others may be about to ask for the same names.
    async fn linger(&self, mode: Mode) {
        loop {
            let since = self.pending(mode).lingering_since();
            let Some(until) = since.map(|since| since + BATCH_WINDOW).filter(|until| *until > Instant::now()) else {
                return;
            };
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.added.notified() => {}
            }
        }
    }
}
