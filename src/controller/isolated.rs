//! A panic in the work of one object or store ends that work alone. The object is set aside until it changes.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use kube::runtime::controller::Action;

use crate::controller::set_aside::{SetAside, Standing, Subject};
use crate::{
    api::Reason,
    domain::Fault,
    telemetry::{metrics::Metrics, panics},
};

/// The result of a reconcile whose status was written, or needed no write.
#[derive(Debug)]
pub(crate) struct Reconciled {
    /// The reason that its conditions show.
    pub(crate) reason: Reason,
    /// When to reconcile again.
    pub(crate) action: Action,
}

/// Runs a reconcile. If it panics, sets the subject aside and has `report` show that; afterwards does nothing until the
/// subject changes. Returns `None` if it did nothing.
///
/// # Errors
/// The error of the reconcile or of the report. A report that failed is made again at the next call.
pub(crate) async fn isolated<R>(
    set_aside: &SetAside,
    metrics: &Metrics,
    subject: &Subject,
    reconcile: impl Future<Output = Result<Reconciled, kube::Error>>,
    report: impl FnOnce(Fault) -> R,
) -> Result<Option<Reconciled>, kube::Error>
where
    R: Future<Output = Result<Reconciled, kube::Error>>,
{
    let fault = match set_aside.standing(subject) {
        Standing::SetAside => return Ok(None),
        Standing::Unreported(fault) => fault,
        Standing::Free => match AssertUnwindSafe(reconcile).catch_unwind().await {
            Ok(result) => return result.map(Some),
            Err(_) => panicked(set_aside, metrics, subject),
        },
    };
    // Also catches a panic before the report is polled. In a box, since few of those that wait here will ever report.
    let report = AssertUnwindSafe(async { Box::pin(report(fault)).await }).catch_unwind().await;
    let reported = report.unwrap_or_else(|_| {
        let (place, reason) = (panics::take_place(), Reason::InternalError.as_str());
        tracing::error!(place, reason, "the status cannot show that the object is set aside");
        Ok(Reconciled { reason: Reason::InternalError, action: Action::await_change() })
    })?;
    set_aside.reported(subject);
    // Whatever the report asks for: only a change of the object helps.
    Ok(Some(Reconciled { action: Action::await_change(), ..reported }))
}

/// Counts and logs a panic, and sets the subject aside. Returns what to tell on it.
fn panicked(set_aside: &SetAside, metrics: &Metrics, subject: &Subject) -> Fault {
    let (place, kind) = (panics::take_place(), subject.kind);
    metrics.panicked(kind);
    let reason = Reason::InternalError.as_str();
    tracing::error!(place, reason, "a bug ended the work on an object, which is set aside until it changes");
    let message = format!(
        "A bug of the operator at {place} ended the work on this {kind}, which is left alone until its spec changes; \
         report the bug with this place, and change the annotation secureparameter.io/sync to try again."
    );
    let fault = Fault::new(Reason::InternalError, message);
    set_aside.add(subject, fault.clone());
    fault
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{self, Ready},
        time::Duration,
    };

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn meta() -> ObjectMeta {
        ObjectMeta {
            namespace: Some("shop".into()),
            name: Some("checkout".into()),
            uid: Some("uid".into()),
            generation: Some(1),
            ..ObjectMeta::default()
        }
    }

    fn subject(meta: &ObjectMeta) -> Subject {
        Subject::new("SecureParameter", meta)
    }

    fn reconciled(reason: Reason) -> Reconciled {
        Reconciled { reason, action: Action::requeue(Duration::from_secs(1)) }
    }

    fn refused() -> kube::Error {
        kube::Error::Api(Box::new(kube::core::Status::failure("refused", "Refused")))
    }

    #[expect(clippy::panic, reason = "this is what is tested")]
    async fn panics() -> Result<Reconciled, kube::Error> {
        // What a message may hold must not be told.
        future::ready(()).await;
        panic!("hunter2")
    }

    /// What was done so far.
    #[derive(Default)]
    struct Bench {
        set_aside: SetAside,
        metrics: Metrics,
        ran: Cell<usize>,
        told: Cell<usize>,
    }

    impl Bench {
        /// Reconciles with success, if the subject is not set aside. Returns whether it ran.
        async fn succeeds(&self, subject: &Subject) -> bool {
            let before = self.ran.get();
            let reconcile = async {
                self.ran.set(before + 1);
                Ok(reconciled(Reason::Synced))
            };
            let result = isolated(&self.set_aside, &self.metrics, subject, reconcile, |_| self.tell(Ok(()))).await;
            result.expect("a result");
            self.ran.get() > before
        }

        fn tell(&self, result: Result<(), kube::Error>) -> Ready<Result<Reconciled, kube::Error>> {
            self.told.set(self.told.get() + 1);
            future::ready(result.map(|()| reconciled(Reason::InternalError)))
        }

        async fn panics(&self, subject: &Subject) -> Reconciled {
            let report = |fault: Fault| {
                assert_eq!(fault.reason, Reason::InternalError);
                assert!(!fault.message.contains("hunter2"), "{}", fault.message);
                self.tell(Ok(()))
            };
            let result = isolated(&self.set_aside, &self.metrics, subject, panics(), report).await;
            result.expect("told").expect("a result")
        }
    }

    #[tokio::test]
    async fn a_panic_is_counted_told_and_not_repeated() {
        let (bench, object) = (Bench::default(), subject(&meta()));
        let Reconciled { reason, action } = bench.panics(&object).await;
        assert_eq!((reason, action), (Reason::InternalError, Action::await_change()));
        let page = bench.metrics.encode();
        assert!(page.contains("secureparameter_panics_total{kind=\"SecureParameter\"} 1\n"), "{page}");
        assert!(!bench.succeeds(&object).await, "set aside, whatever triggers it");
        assert_eq!(bench.told.get(), 1);
        let other = subject(&ObjectMeta { name: Some("basket".into()), ..meta() });
        assert!(bench.succeeds(&other).await, "others are not");
    }

    #[tokio::test]
    async fn a_change_ends_it() {
        let changes: [fn(&mut ObjectMeta); 4] = [
            |meta| meta.generation = Some(2),
            |meta| meta.annotations = Some([("secureparameter.io/sync".to_owned(), "now".to_owned())].into()),
            |meta| meta.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH)),
            |meta| meta.uid = Some("another".into()),
        ];
        for change in changes {
            let (bench, mut meta) = (Bench::default(), meta());
            bench.panics(&subject(&meta)).await;
            meta.resource_version = Some("2".into());
            assert!(!bench.succeeds(&subject(&meta)).await, "a status is no change");
            change(&mut meta);
            assert!(bench.succeeds(&subject(&meta)).await);
            assert!(bench.succeeds(&subject(&meta)).await);
        }
    }

    #[tokio::test]
    async fn what_was_deleted_is_forgotten() {
        let (bench, object) = (Bench::default(), subject(&meta()));
        bench.panics(&object).await;
        bench.set_aside.forget("SecureParameter", Some("shop"), "checkout");
        assert!(bench.succeeds(&object).await);
    }

    #[tokio::test]
    async fn a_status_that_was_not_written_is_written_at_the_next_call() {
        let (bench, object) = (Bench::default(), subject(&meta()));
        let refuse = |_| bench.tell(Err(refused()));
        let result = isolated(&bench.set_aside, &bench.metrics, &object, panics(), refuse).await;
        assert!(result.is_err(), "retried with backoff");
        assert!(!bench.succeeds(&object).await);
        assert_eq!(bench.told.get(), 2);
        assert!(!bench.succeeds(&object).await);
        assert_eq!(bench.told.get(), 2, "told once");
    }

    #[tokio::test]
    async fn a_panic_of_the_report_ends_it() {
        let (bench, object) = (Bench::default(), subject(&meta()));
        let result = isolated(&bench.set_aside, &bench.metrics, &object, panics(), |_| panics()).await;
        assert_eq!(result.expect("caught").expect("a result").action, Action::await_change());
        assert!(!bench.succeeds(&object).await);
        assert_eq!(bench.told.get(), 0);
    }
}
