//! One lock for each Secret, held from the ownership check to the write. Two objects write under the same field manager,
//! so the API server could not tell their writes apart.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type SecretLock = Arc<AsyncMutex<()>>;

/// Locks by namespace and name of the Secret.
#[derive(Debug, Default)]
pub(crate) struct SecretLocks {
    locks: Mutex<HashMap<(String, String), SecretLock>>,
}

impl SecretLocks {
    /// Waits for the lock of a Secret.
    pub(crate) async fn lock(&self, namespace: &str, name: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock();
            // Locks that nobody holds or waits for are removed, so that the map stays small.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            locks.entry((namespace.to_owned(), name.to_owned())).or_default().clone()
        };
        lock.lock_owned().await
    }
}
