//! Watches the Leases of other operators, by which operators that share a cluster know of each other.

use std::{collections::BTreeSet, future, mem::take, sync::Arc};

use futures::{Stream, StreamExt};
use k8s_openapi::api::coordination::v1::Lease as KubeLease;
use kube::{
    Api, Client, ResourceExt,
    runtime::watcher::{self, Event},
};

use crate::{
    api::names::LEASE_LABEL,
    domain::shard::{part::Part, roster::OtherLease},
    kubernetes::{
        lease::{LeaseName, read},
        watch_stream::{OTHER_LEASES, Refused, WatchName, WatchObserver, WatchReporter, attempts},
    },
};

/// What is seen of the Leases of others.
#[derive(Debug)]
pub(crate) enum Sighting {
    /// The Lease of this name.
    Lease(String, OtherLease),
    /// The Lease of this name was deleted.
    Deleted(String),
    /// These are all that exist.
    Listed(BTreeSet<String>),
    /// The API server refuses to show them.
    Refused,
}

/// Returns what is seen of the Leases in the namespace of this one.
pub(crate) fn other_leases(
    client: &Client,
    own: &LeaseName,
    observer: &Arc<dyn WatchObserver>,
) -> impl Stream<Item = Sighting> + Send + use<> {
    let namespace = own.namespace.as_deref().unwrap_or_else(|| client.default_namespace());
    let api: Api<KubeLease> = Api::namespaced(client.clone(), namespace);
    let reporter = WatchReporter { watch: WatchName::all(OTHER_LEASES), is_optional: true, observer: observer.clone() };
    // Its own Lease changes every few seconds.
    let others = format!("metadata.name!={}", own.name);
    let config = watcher::Config::default().labels(LEASE_LABEL).fields(&others);
    let mut listed = BTreeSet::new();
    attempts(api, config, reporter).filter_map(move |attempt| future::ready(sighting(attempt, &mut listed)))
}

fn sighting(attempt: Result<Event<KubeLease>, Refused>, listed: &mut BTreeSet<String>) -> Option<Sighting> {
    match attempt {
        Err(Refused) => Some(Sighting::Refused),
        Ok(Event::Init) => {
            listed.clear();
            None
        }
        Ok(Event::InitApply(lease)) => {
            listed.insert(lease.name_any());
            seen(lease)
        }
        Ok(Event::Apply(lease)) => seen(lease),
        Ok(Event::InitDone) => Some(Sighting::Listed(take(listed))),
        Ok(Event::Delete(lease)) => Some(Sighting::Deleted(lease.name_any())),
    }
}

/// Leaves out a Lease that this version cannot read.
fn seen(lease: KubeLease) -> Option<Sighting> {
    let name = lease.name_any();
    match Part::of(lease.annotations()) {
        Ok(part) => Some(Sighting::Lease(name, OtherLease { record: read(lease).record, part })),
        Err(message) => {
            tracing::debug!(
                lease = name,
                "ignored the Lease of another operator, whose selector cannot be read: {message}"
            );
            None
        }
    }
}
