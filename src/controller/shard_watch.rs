//! The other operators that live, for whoever asks.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::domain::shard::shards::{Shard, Shards};

/// How long a new leader waits for the Leases of other operators. An API server that does not answer keeps it from its work anyway.
const PATIENCE: Duration = Duration::from_secs(10);

/// The other operators that live. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct ShardWatch {
    living: Arc<Mutex<Arc<Shards>>>,
    known: CancellationToken,
}

impl ShardWatch {
    /// Begins without any other operator.
    pub(crate) fn new(own: Shard) -> Self {
        let shards = Shards { own: Arc::new(own), others: Vec::new() };
        Self { living: Arc::new(Mutex::new(Arc::new(shards))), known: CancellationToken::new() }
    }

    /// Returns those that live.
    pub(crate) fn living(&self) -> Arc<Shards> {
        self.living.lock().clone()
    }

    /// Sets those that live. Returns those before.
    pub(crate) fn set(&self, shards: Shards) -> Arc<Shards> {
        std::mem::replace(&mut *self.living.lock(), Arc::new(shards))
    }

    /// All are known, or none ever will be.
    pub(crate) fn is_known(&self) {
        self.known.cancel();
    }

    /// Waits until all are known.
    pub(crate) async fn known(&self) {
        // Without them, an object may be handled twice for a moment.
        let _ = timeout(PATIENCE, self.known.cancelled()).await;
    }
}
