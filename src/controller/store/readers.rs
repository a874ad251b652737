//! The readers. Stores with the same identity and region share one, so that it sees all their parameters.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::OnceCell, time::Instant};

use crate::{aws::client::AwsApi, parameters::Reader};

/// How long a reader is kept that no store uses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

type ReaderCell = Arc<OnceCell<Arc<Reader<AwsApi>>>>;

/// Readers by identity and region.
#[derive(Default)]
pub(crate) struct Readers {
    cells: Mutex<HashMap<String, (ReaderCell, Instant)>>,
}

impl Readers {
    /// Returns the reader with this key. Opens it with `open` if there is none; concurrent calls share one attempt.
    ///
    /// # Errors
    /// The error of `open`.
    pub(crate) async fn get_or_open<E>(
        &self,
        key: &str,
        open: impl Future<Output = Result<Reader<AwsApi>, E>>,
    ) -> Result<Arc<Reader<AwsApi>>, E> {
        let cell = {
            let mut cells = self.cells.lock();
            let (cell, used_at) =
                cells.entry(key.to_owned()).or_insert_with(|| (ReaderCell::default(), Instant::now()));
            *used_at = Instant::now();
            Arc::clone(cell)
        };
        cell.get_or_try_init(|| async { open.await.map(Arc::new) }).await.cloned()
    }

    /// Removes a reader whose credentials AWS does not accept any more.
    pub(crate) fn remove(&self, key: &str) {
        self.cells.lock().remove(key);
    }

    /// Removes the readers that no store has used for fifteen minutes.
    pub(crate) fn evict(&self) {
        let now = Instant::now();
        self.cells.lock().retain(|_, (cell, used_at)| {
            if cell.get().is_some_and(|reader| Arc::strong_count(reader) > 1) {
                *used_at = now;
            }
            now.duration_since(*used_at) < IDLE_TIMEOUT
        });
    }
}
