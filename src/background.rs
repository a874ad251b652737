//! Tasks that nobody awaits. If one of them ended unnoticed, the process would live on without part of its work. It
//! raises an alarm instead, and [`crate::controller::run`] ends the process.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use tokio::{sync::watch, task::JoinHandle};

/// Says which task ended that should have run on. Clones are the same alarm.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm(Arc<watch::Sender<Option<&'static str>>>);

impl Alarm {
    /// Raises the alarm. `task` continues the sentence "The task that ...". Only the first call has an effect, since the
    /// other tasks may merely follow.
    pub(crate) fn raise(&self, task: &'static str) {
        self.0.send_if_modified(|raised| {
            let is_first = raised.is_none();
            raised.get_or_insert(task);
            is_first
        });
    }

    /// Waits for the alarm. Returns the task that raised it.
    pub(crate) async fn raised(&self) -> &'static str {
        let mut receiver = self.0.subscribe();
        // The sender is part of `self`, so the wait never fails.
        receiver.wait_for(Option::is_some).await.ok().and_then(|task| *task).unwrap_or_default()
    }
}

/// A running task. Ends without alarm when this is dropped.
#[derive(Debug)]
pub(crate) struct BackgroundTask(JoinHandle<()>);

impl BackgroundTask {
    /// Starts a task that is to run until this is dropped. If it returns or panics before, it raises `alarm`. `name`
    /// continues the sentence "The task that ...".
    pub(crate) fn spawn(name: &'static str, alarm: &Alarm, task: impl Future<Output = ()> + Send + 'static) -> Self {
        let alarm = alarm.clone();
        Self(tokio::spawn(async move {
            // A panic was logged by the hook. Here it is an end like any other.
            let _ = AssertUnwindSafe(task).catch_unwind().await;
            alarm.raise(name);
        }))
    }
}

impl Drop for BackgroundTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::time::{sleep, timeout};

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_raises_the_alarm() {
        let alarm = Alarm::default();
        let _task = BackgroundTask::spawn("sleeps", &alarm, sleep(LONG));
        assert!(timeout(LONG / 2, alarm.raised()).await.is_err(), "it still runs");
        assert_eq!(timeout(LONG, alarm.raised()).await, Ok("sleeps"));
    }

    #[tokio::test(start_paused = true)]
    #[expect(clippy::panic, reason = "this is what is tested")]
    async fn a_task_that_panics_raises_the_alarm() {
        let alarm = Alarm::default();
        let _task = BackgroundTask::spawn("panics", &alarm, async { panic!("on purpose") });
        assert_eq!(timeout(LONG, alarm.raised()).await, Ok("panics"));
        let _task = BackgroundTask::spawn("ends later", &alarm, async {});
        sleep(LONG).await;
        assert_eq!(alarm.raised().await, "panics", "the first one counts");
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_whose_owner_is_dropped_raises_no_alarm() {
        let alarm = Alarm::default();
        drop(BackgroundTask::spawn("waits", &alarm, pending()));
        assert!(timeout(LONG, alarm.raised()).await.is_err());
    }
}
