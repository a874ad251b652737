//! Whether the operator's environment suffices: a region and credentials, unless every store brings its own.

use std::{sync::Arc, time::Duration};

use crate::controller::context::Context;

/// Gate of readiness: the environment suffices.
pub const GATE: &str = "environment";

/// How often a lacking environment is looked at again.
const INTERVAL: Duration = Duration::from_secs(10);

/// Waits until the environment suffices, and says what is missing until then.
pub async fn check(context: Arc<Context>) {
    // What the stores bring counts, so they are to be known; but without the API server the sentence is due all the same.
    let _ = tokio::time::timeout(INTERVAL, context.filled.cancelled()).await;
    loop {
        match missing(&context).await {
            None => return context.health.pass(GATE),
            Some(sentence) => {
                if context.health.block(GATE, &sentence) {
                    tracing::error!("{sentence}");
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn missing(context: &Context) -> Option<String> {
    let cluster = context.caches.cluster_stores.state();
    let stores = context.caches.stores.state();
    let nobody = cluster.is_empty() && stores.is_empty();
    let wants_region = cluster.iter().any(|store| store.spec.region.is_none())
        || stores.iter().any(|store| store.spec.region.is_none());
    if (nobody || wants_region) && context.aws.region().is_none() {
        return Some("No AWS region is configured; set AWS_REGION, or spec.region of every store.".to_owned());
    }
    // Namespaced stores always bring their own credentials.
    let wants_credentials = cluster.iter().any(|store| store.spec.identity.is_none());
    if !nobody && !wants_credentials {
        return None;
    }
    let cause = context.aws.check_credentials().await.err()?;
    Some(format!(
        "No AWS credentials could be had ({cause}); give the operator's ServiceAccount a role (IRSA or EKS Pod Identity) \
         that trusts it, or set spec.identity of every store."
    ))
}
