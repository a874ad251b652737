//! Whether this process may write to Kubernetes and decrypt with AWS: only while it holds the Lease. Whoever sends such a
//! request asks here immediately before, so that a process which was paused sends nothing after the end of its lease.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// The right to write. Clones are the same right. It begins without.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leadership(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: watch::Sender<State>,
    /// How many requests that write were sent and not answered yet.
    in_flight: watch::Sender<usize>,
    /// When a request that writes ended last without an answer. It may still be carried out.
    unanswered: Mutex<Option<Instant>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Another process leads, or none does yet.
    #[default]
    Waiting,
    /// This process leads until then; for ever, if there is no Lease.
    Leading(Option<Until>),
    /// This process will not lead any more. What it sent before may go on until then.
    Ended(Option<Until>),
}

/// A time that has passed if either clock says so: that of the process stands still while its machine is suspended, and
/// that on the wall may be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Until {
    uptime: Instant,
    wall: SystemTime,
}

impl Until {
    fn new(uptime: Instant) -> Self {
        Self { uptime, wall: SystemTime::now() + uptime.saturating_duration_since(Instant::now()) }
    }

    fn has_passed(self) -> bool {
        Instant::now() >= self.uptime || SystemTime::now() >= self.wall
    }
}

impl State {
    fn stands(self) -> bool {
        match self {
            Self::Leading(until) => until.is_none_or(|until| !until.has_passed()),
            Self::Waiting | Self::Ended(_) => false,
        }
    }

    fn has_lapsed(self) -> bool {
        match self {
            Self::Waiting => false,
            Self::Leading(until) | Self::Ended(until) => until.is_some_and(Until::has_passed),
        }
    }
}

/// The process does not lead, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this process does not hold the Lease, so it sends nothing")]
pub(crate) struct NotLeading;

impl Leadership {
    /// Returns the right to write for ever.
    #[cfg(test)]
    pub(crate) fn unlimited() -> Self {
        let leadership = Self::default();
        leadership.lead(None);
        leadership
    }

    /// Checks that the process may write at this moment.
    ///
    /// # Errors
    /// [`NotLeading`] if not.
    pub(crate) fn check(&self) -> Result<(), NotLeading> {
        if self.0.state.borrow().stands() { Ok(()) } else { Err(NotLeading) }
    }

    /// Reports whether the process had the right and its time is over. It then sends nothing any more, not even the rest of
    /// what it began.
    pub(crate) fn has_lapsed(&self) -> bool {
        self.0.state.borrow().has_lapsed()
    }

    /// Begins a request that writes.
    ///
    /// # Errors
    /// [`NotLeading`] if the process may not write at this moment.
    pub(crate) fn begin_write(&self) -> Result<Write, NotLeading> {
        // Counted first, so that `close` misses none that passes the check.
        self.0.in_flight.send_modify(|count| *count += 1);
        let write = Write { leadership: self.clone(), is_answered: false };
        match self.check() {
            Ok(()) => Ok(write),
            Err(error) => {
                write.answered();
                Err(error)
            }
        }
    }

    /// Waits until the process may write.
    pub(crate) async fn acquired(&self) {
        let mut state = self.0.state.subscribe();
        // The sender is part of `self`, so the wait never fails.
        let _ = state.wait_for(|state| state.stands()).await;
    }

    /// Grants the right to write until then; for ever without a time.
    pub(crate) fn lead(&self, until: Option<Instant>) {
        let state = *self.0.state.borrow();
        // The clock on the wall counts from the first time: a machine that was suspended does not begin anew.
        if matches!(state, State::Leading(Some(granted)) if Some(granted.uptime) == until) {
            return;
        }
        self.change(State::Leading(until.map(Until::new)));
    }

    /// Takes the right away. It may be granted again.
    pub(crate) fn wait(&self) {
        self.change(State::Waiting);
    }

    /// Takes the right away for good. Requests under way may be completed for as long as it would have stood.
    pub(crate) fn end(&self) {
        let state = *self.0.state.borrow();
        self.change(State::Ended(match state {
            State::Leading(until) => until,
            State::Waiting | State::Ended(_) => None,
        }));
    }

    /// Takes the right away for good, since another process may have it. Nothing is sent any more.
    pub(crate) fn lose(&self) {
        self.change(State::Ended(Some(Until::new(Instant::now()))));
    }

    fn change(&self, next: State) {
        self.0.state.send_if_modified(|state| {
            let is_change = *state != next && !matches!(state, State::Ended(_));
            if is_change {
                *state = next;
            }
            is_change
        });
    }

    /// Takes the right away for good, and waits until each request that was sent is answered, for `patience` at most. Returns
    /// whether nothing can come of any of them any more: all are answered, and none has lost its answer within `doubt`.
    pub(crate) async fn close(&self, patience: Duration, doubt: Duration) -> bool {
        self.end();
        let mut in_flight = self.0.in_flight.subscribe();
        let answered = timeout(patience, in_flight.wait_for(|count| *count == 0)).await;
        let is_in_doubt = self.0.unanswered.lock().is_some_and(|at| at.elapsed() < doubt);
        matches!(answered, Ok(Ok(_))) && !is_in_doubt
    }
}

/// A request that writes, from before it is sent until it is answered. Without an answer it may be carried out even after
/// this is dropped.
#[derive(Debug)]
pub(crate) struct Write {
    leadership: Leadership,
    is_answered: bool,
}

impl Write {
    /// Ends the request: it was answered, or never sent.
    pub(crate) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        let shared = &self.leadership.0;
        if !self.is_answered {
            *shared.unanswered.lock() = Some(Instant::now());
        }
        shared.in_flight.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn leading(time: Duration) -> Leadership {
        let leadership = Leadership::default();
        leadership.lead(Some(Instant::now() + time));
        leadership
    }

    #[tokio::test(start_paused = true)]
    async fn the_right_lapses_by_itself_and_can_be_renewed() {
        let leadership = leading(SECOND);
        assert_eq!(leadership.check(), Ok(()));
        advance(SECOND).await;
        assert_eq!(leadership.check(), Err(NotLeading));
        assert!(leadership.begin_write().is_err());
        let mut acquired = pin!(leadership.acquired());
        assert!(poll!(&mut acquired).is_pending());
        leadership.lead(Some(Instant::now() + SECOND));
        assert!(poll!(acquired).is_ready());
        leadership.wait();
        assert!(leadership.begin_write().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_end_nothing_grants_it_again() {
        let leadership = leading(SECOND);
        leadership.end();
        leadership.lead(None);
        assert_eq!(leadership.check(), Err(NotLeading));
        assert!(poll!(pin!(leadership.acquired())).is_pending());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_under_way_ends_with_the_time_of_the_right() {
        for end in [Leadership::end, |_: &Leadership| {}] {
            let leadership = leading(SECOND);
            end(&leadership);
            assert!(!leadership.has_lapsed());
            advance(SECOND).await;
            assert!(leadership.has_lapsed());
        }
        let lost = leading(SECOND);
        lost.lose();
        assert!(lost.has_lapsed(), "at once");
        let waiting = Leadership::default();
        assert!(!waiting.has_lapsed(), "whoever stands by may read");
        waiting.end();
        assert!(!waiting.has_lapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn closing_waits_for_answers() {
        let leadership = leading(SECOND);
        let write = leadership.begin_write().expect("the right");
        let mut close = pin!(leadership.close(SECOND, SECOND));
        assert!(poll!(&mut close).is_pending());
        assert!(leadership.begin_write().is_err(), "closed at once");
        write.answered();
        assert!(close.await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_still_be_carried_out_leaves_a_doubt() {
        let hanging = leading(SECOND);
        let _write = hanging.begin_write().expect("the right");
        assert!(!hanging.close(SECOND, SECOND).await, "not answered in time");

        let leadership = leading(SECOND * 9);
        drop(leadership.begin_write().expect("the right"));
        advance(SECOND).await;
        assert!(!leadership.clone().close(SECOND, SECOND * 2).await, "the answer was lost a second ago");
        assert!(leadership.close(SECOND, SECOND).await, "long ago");
    }
}
