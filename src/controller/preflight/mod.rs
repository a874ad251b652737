//! The preflight: whether stores work, and what to do if not. It opens stores as the operator does, makes a few calls that
//! the objects need, and writes nothing to the cluster.

mod objects;
mod print;
mod report;
mod sample;
mod session;
mod store;

use std::{collections::BTreeMap, sync::Arc};

use futures::{StreamExt, stream};
use tokio::sync::mpsc::unbounded_channel;

use crate::controller::{
    index::StoreKey,
    preflight::{
        objects::Objects,
        report::{Line, SPEC, StoreReport},
        store::check_store,
    },
    store::{fault::missing_store, gateway::Gateway, object::StoreObject},
};
use crate::{
    api::StoreKind,
    aws::{client::Aws, options::AwsOptions},
    background::Alarm,
    domain::audit::{AuditRecord, AuditSink, SecretWrite},
    kubernetes::{Clients, Scope, listing::list_as_operator},
};

pub use report::Report;

/// How many stores are checked at a time.
const CONCURRENT_STORES: usize = 4;
/// The most namespaces that one store may have sessions for. The command ends before that could do harm.
const MAX_SESSIONS: usize = usize::MAX;

/// What to check.
#[derive(Clone, Debug)]
pub struct Question {
    /// The namespaces to look at.
    pub scope: Scope,
    /// Whether cluster stores matter only if objects of these namespaces read from them.
    pub only_used: bool,
    /// Only the stores with this name.
    pub store: Option<String>,
}

/// Checks stores.
///
/// # Errors
/// One sentence, if the cluster cannot be read or no store is found.
pub async fn check(clients: &Clients, question: &Question, aws: AwsOptions) -> Result<Report, String> {
    let (listing, is_hidden) = list_as_operator(&clients.requests, &question.scope).await?;
    let is_asked = |key: &StoreKey| question.store.as_ref().is_none_or(|name| *name == key.name);
    let cluster_stores = listing.cluster_stores.iter().map(StoreObject::from);
    let stores = cluster_stores.chain(listing.stores.iter().map(StoreObject::from));
    let mut stores: BTreeMap<_, _> = stores.map(|store| (store.key.clone(), Some(store))).collect();
    let objects = Objects::of(&listing);
    for key in objects.stores() {
        stores.entry(key.clone()).or_default();
    }
    let is_unused = |key: &StoreKey| key.kind == StoreKind::ClusterParameterStore && objects.of_store(key).is_empty();
    stores.retain(|key, _| is_asked(key) && !(question.only_used && is_unused(key)));
    if stores.is_empty() {
        return Err("No store was found to check; create one, or correct --namespace and --store.".to_owned());
    }
    let (audit_sink, alarm): (Arc<dyn AuditSink>, _) = (Arc::new(Unrecorded), Alarm::default());
    // Whoever checks once takes part in no election.
    clients.leadership.lead(None);
    let aws = Aws::from_environment(aws, Arc::clone(&audit_sink), &alarm, &clients.leadership).await;
    // Nobody watches parameters, so that none changes for anybody.
    let (changed_parameters, _) = unbounded_channel();
    let gateway = Gateway::new(clients, (aws, audit_sink, alarm), MAX_SESSIONS, changed_parameters, None);
    let checks = stores.into_iter().map(|(key, store)| {
        let (objects, gateway) = (&objects, &gateway);
        async move {
            let lines = match &store {
                Some(store) => check_store(store, objects, gateway).await,
                None => vec![Line::failed(SPEC, missing_store(&key, is_hidden))],
            };
            StoreReport { store: key, lines }
        }
    });
    Ok(Report { stores: stream::iter(checks).buffered(CONCURRENT_STORES).collect().await })
}

/// Drops audit records: the standard output is for the report, and nobody collects what a command prints. CloudTrail has the
/// calls, under the same principal as those of the operator.
struct Unrecorded;

impl AuditSink for Unrecorded {
    fn record_call(&self, _: &AuditRecord) {}

    fn record_write(&self, _: &SecretWrite) {}
}
