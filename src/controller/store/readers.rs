//! The readers. Stores with the same identity and region share one, so that it sees all their parameters.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long after a failure the next attempt waits. Many objects may want the same reader.
const HOLD: Duration = Duration::from_secs(5);

/// Readers of type `R` by identity and region. A reader lives as long as somebody holds it: it is closed when the last
/// store or object ceases to use it.
pub(crate) struct Readers<K, R, E> {
    slots: Mutex<HashMap<K, Slot<R, E>>>,
}

/// The place of one reader. Locked while the reader is opened.
type Slot<R, E> = Arc<tokio::sync::Mutex<Place<R, E>>>;

/// What is known of one reader.
struct Place<R, E> {
    reader: Weak<R>,
    /// The error of the last attempt, until when it stands, if that failed.
    failure: Option<(E, Instant)>,
}

impl<R, E> Default for Place<R, E> {
    fn default() -> Self {
        Self { reader: Weak::new(), failure: None }
    }
}

impl<K, R, E> Default for Readers<K, R, E> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<K: Eq + Hash + Clone, R, E: Clone> Readers<K, R, E> {
    /// Returns the reader with this key. Opens it with `open` if there is none; of concurrent calls only one opens it. After
    /// a failure, calls of the next five seconds have its error.
    ///
    /// # Errors
    /// The error of `open`.
    pub(crate) async fn get_or_open(&self, key: &K, open: impl Future<Output = Result<R, E>>) -> Result<Arc<R>, E> {
        let slot = Arc::clone(self.slots.lock().entry(key.clone()).or_default());
        let mut place = slot.lock().await;
        if let Some(reader) = place.reader.upgrade() {
            return Ok(reader);
        }
        if let Some((error, until)) = &place.failure
            && Instant::now() < *until
        {
            return Err(error.clone());
        }
        match open.await {
            Ok(reader) => {
                let reader = Arc::new(reader);
                *place = Place { reader: Arc::downgrade(&reader), failure: None };
                Ok(reader)
            }
            Err(error) => {
                place.failure = Some((error.clone(), Instant::now() + HOLD));
                Err(error)
            }
        }
    }

    /// Removes a reader whose credentials AWS does not accept any more, so that the next call opens another one.
    pub(crate) fn remove(&self, key: &K) {
        self.slots.lock().remove(key);
    }

    /// Removes the places of readers that were closed.
    pub(crate) fn prune(&self) {
        self.slots.lock().retain(|_, slot| {
            // Whoever opens a reader holds its place.
            Arc::strong_count(slot) > 1 || slot.try_lock().is_ok_and(|place| place.reader.strong_count() > 0)
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_reader_is_shared_and_closed_with_its_last_store() {
        let (readers, opened) = (Readers::<u8, usize, Infallible>::default(), AtomicUsize::new(0));
        let open = async || Ok::<_, Infallible>(opened.fetch_add(1, Ordering::Relaxed));
        let (one, two) = tokio::join!(readers.get_or_open(&1, open()), readers.get_or_open(&1, open()));
        let (Ok(one), Ok(two)) = (one, two);
        assert!(Arc::ptr_eq(&one, &two));
        assert_eq!(opened.load(Ordering::Relaxed), 1);
        let closed = Arc::downgrade(&one);
        drop((one, two));
        assert!(closed.upgrade().is_none(), "kept without a store");
        let Ok(again) = readers.get_or_open(&1, open()).await;
        assert_eq!(*again, 1);
    }

    /// Otherwise each of a thousand objects would ask STS for the same session, one after the other.
    #[tokio::test(start_paused = true)]
    async fn those_that_wait_for_a_reader_share_its_failure() {
        let (readers, attempts) = (Readers::<u8, (), usize>::default(), AtomicUsize::new(0));
        let open = async || Err(attempts.fetch_add(1, Ordering::Relaxed));
        let results = tokio::join!(readers.get_or_open(&1, open()), readers.get_or_open(&1, open()));
        assert_eq!(results, (Err(0), Err(0)));
        tokio::time::advance(HOLD).await;
        assert_eq!(readers.get_or_open(&1, open()).await, Err(1));
    }

    #[tokio::test]
    async fn nothing_is_kept_of_closed_and_failed_readers() {
        let readers = Readers::<u8, (), &str>::default();
        let used = readers.get_or_open(&1, async { Ok::<_, &str>(()) }).await.expect("a reader");
        drop(readers.get_or_open(&2, async { Ok::<_, &str>(()) }).await);
        assert_eq!(readers.get_or_open(&3, async { Err("refused") }).await, Err("refused"));
        let (answer, answered) = oneshot::channel::<()>();
        let opening = readers.get_or_open(&4, async { answered.await.map_err(|_| "gone") });
        let check = async {
            readers.prune();
            let mut kept: Vec<_> = readers.slots.lock().keys().copied().collect();
            kept.sort_unstable();
            assert_eq!(kept, [1, 4]);
            answer.send(()).expect("somebody waits");
        };
        let (opened, ()) = tokio::join!(opening, check);
        drop((used, opened));
        readers.prune();
        assert!(readers.slots.lock().is_empty());
    }
}
