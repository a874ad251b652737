//! Checks that the operator's environment suffices: it needs a region and credentials, unless each store has its own.

use std::{sync::Arc, time::Duration};

use tokio::time::{sleep, timeout};

use crate::controller::context::Context;
use crate::domain::identity::store_identity::{CredentialSource, StoreIdentity};

/// The readiness gate of this check.
pub(crate) const GATE: &str = "environment";

/// Delay between checks while something is missing.
const INTERVAL: Duration = Duration::from_secs(10);

/// Checks the environment until it suffices. Until then the process is not ready, and says what is missing.
pub(crate) async fn check(context: Arc<Context>) {
    // The check depends on the stores. Without the API server they are unknown, but the problem should be reported all
    // the same.
    let _ = timeout(INTERVAL, context.caches_ready.cancelled()).await;
    loop {
        match problem(&context).await {
            None => return context.health.open(GATE),
            Some(problem) => {
                if context.health.close(GATE, &problem) {
                    tracing::error!("{problem}");
                }
            }
        }
        sleep(INTERVAL).await;
    }
}

async fn problem(context: &Context) -> Option<String> {
    let cluster_stores = context.caches.cluster_stores.state();
    let stores = context.caches.stores.state();
    // Without a store, one that uses the operator's own environment may come; but not if none can be read that may.
    let no_stores = cluster_stores.is_empty() && stores.is_empty() && !context.caches.without_cluster_stores.is_set();
    let needs_region = cluster_stores.iter().any(|store| store.spec.region.is_none())
        || stores.iter().any(|store| store.spec.region.is_none());
    if (no_stores || needs_region) && context.gateway.aws.region().is_none() {
        return Some("No AWS region is configured; set AWS_REGION, or spec.region of every store.".to_owned());
    }
    // Namespaced stores always have credentials of their own.
    let needs_credentials = cluster_stores.iter().any(|store| {
        StoreIdentity::of_cluster_store(store.spec.identity.as_ref()).source == CredentialSource::Operator
    });
    if !no_stores && !needs_credentials {
        return None;
    }
    let cause = context.gateway.aws.check_credentials().await.err()?;
    Some(format!(
        "The operator has no AWS credentials ({cause}); give its ServiceAccount a role (IRSA or EKS Pod Identity) that trusts \
         it, or set spec.identity of every store."
    ))
}
