//! The stores as the metrics show them.

use crate::{
    controller::{context::Context, index::StoreKey, store::connections::StoreConnection},
    telemetry::metrics::set::StoreFigures,
};

/// Returns the figures of all stores that were reconciled.
pub(crate) fn of_stores(context: &Context) -> Vec<StoreFigures> {
    let figures = |(key, _): (StoreKey, String)| {
        let connection = context.store_connections.get(&key)?;
        Some(of_store(key, connection.as_deref().ok(), context))
    };
    context.store_connections.all().into_iter().filter_map(figures).collect()
}

fn of_store(key: StoreKey, connection: Option<&StoreConnection>, context: &Context) -> StoreFigures {
    let readers = connection.map(|connection| connection.sessions.open_readers()).unwrap_or_default();
    let looks: Vec<_> = readers.iter().map(|reader| reader.looks()).collect();
    let last = looks.iter().filter_map(|looks| looks.last).max();
    StoreFigures {
        kind: key.kind.as_str(),
        namespace: key.namespace.unwrap_or_default(),
        name: key.name,
        is_ready: connection.is_some(),
        last_look: last.map(|last| context.time_at(last).as_second()),
        overdue_looks: looks.iter().map(|looks| looks.overdue).sum(),
    }
}
