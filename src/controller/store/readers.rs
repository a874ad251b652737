//! Readers by identity and region: one for all stores that read as the same identity in the same place.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::OnceCell, time::Instant};

use crate::controller::locked;
use crate::{aws::AwsApi, parameters::Reader};

/// How long a reader that no store uses is kept.
const KEPT: Duration = Duration::from_secs(15 * 60);

type Cell = Arc<OnceCell<Arc<Reader<AwsApi>>>>;

/// The readers, by what they were opened with.
#[derive(Default)]
pub struct Readers {
    cells: Mutex<HashMap<String, (Cell, Instant)>>,
}

impl Readers {
    /// The reader for a fingerprint, opened by `open` if there is none. Those who ask for one at the same time share it.
    ///
    /// # Errors
    /// Whatever `open` fails with.
    pub async fn get<E>(
        &self,
        fingerprint: &str,
        open: impl Future<Output = Result<Reader<AwsApi>, E>>,
    ) -> Result<Arc<Reader<AwsApi>>, E> {
        let cell = {
            let mut cells = locked(&self.cells);
            let (cell, used_at) =
                cells.entry(fingerprint.to_owned()).or_insert_with(|| (Cell::default(), Instant::now()));
            *used_at = Instant::now();
            Arc::clone(cell)
        };
        cell.get_or_try_init(|| async { open.await.map(Arc::new) }).await.cloned()
    }

    /// Forgets a reader whose credentials are not accepted any more.
    pub fn drop(&self, fingerprint: &str) {
        locked(&self.cells).remove(fingerprint);
    }

    /// Forgets readers that nobody has used for a quarter of an hour.
    pub fn evict(&self) {
        let now = Instant::now();
        locked(&self.cells).retain(|_, (cell, used_at)| {
            if cell.get().is_some_and(|reader| Arc::strong_count(reader) > 1) {
                *used_at = now;
            }
            now.duration_since(*used_at) < KEPT
        });
    }
}
