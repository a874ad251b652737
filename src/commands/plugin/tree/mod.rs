//! `tree`: where the keys of Secrets come from, and which workloads are restarted when they change.

mod draw;
mod object;

use std::collections::BTreeMap;

use serde::Serialize;

use self::{draw::Node, object::object};
use crate::{
    api::{ConditionType, SecureParameter, StoreKind, StoreStatus},
    cli::LookArgs,
    commands::plugin::{
        printed::{Printed, print},
        store::Store,
        text::count,
    },
    kubernetes::user_session::{Seen, UserSession},
};

/// The output for scripts.
#[derive(Serialize)]
struct Trees {
    stores: Vec<Node>,
}

/// Returns the trees of the objects, one for each store.
///
/// # Errors
/// One sentence, if the objects cannot be read.
pub(super) async fn tree(session: &UserSession, args: &LookArgs) -> Result<Printed, String> {
    let namespace = (!args.all_namespaces).then(|| session.namespace());
    let seen = match &args.name {
        Some(name) => session.object_and_store(name).await?,
        None => session.objects(namespace).await?,
    };
    let trees = Trees { stores: trees(&seen) };
    let place = namespace.map_or_else(|| "the cluster".to_owned(), |namespace| format!("namespace {namespace}"));
    let text = print(args.output, &trees, || match trees.stores.as_slice() {
        [] => format!("There is no SecureParameter and no store in {place}.\n"),
        stores => stores.iter().map(|store| store.draw().join("\n") + "\n").collect::<Vec<_>>().join("\n"),
    })?;
    Ok(Printed::new(text, true))
}

/// Identifies a store.
type Key<'a> = (StoreKind, Option<&'a str>, &'a str);

fn trees(seen: &Seen) -> Vec<Node> {
    let stores = Store::all(&seen.listing);
    let mut readers: BTreeMap<Key<'_>, Vec<&SecureParameter>> = BTreeMap::new();
    for store in &stores {
        readers.entry((store.kind, store.namespace, store.name)).or_default();
    }
    for object in &seen.listing.secure_parameters {
        let (kind, name) = object.spec.store();
        let namespace = object.metadata.namespace.as_deref().filter(|_| kind == StoreKind::ParameterStore);
        readers.entry((kind, namespace, name)).or_default().push(object);
    }
    let node = |((kind, namespace, name), objects): (Key<'_>, Vec<&SecureParameter>)| {
        let store = stores.iter().find(|store| (store.kind, store.namespace, store.name) == (kind, namespace, name));
        let scope = store.and_then(Store::scope);
        let is_hidden = kind == StoreKind::ClusterParameterStore && seen.are_cluster_stores_hidden;
        let detail = match store {
            Some(store) => store.status.map_or_else(|| "not reported yet".to_owned(), of_store),
            None if is_hidden => "not shown, that takes the role view for the whole cluster".to_owned(),
            None => "does not exist".to_owned(),
        };
        let name = namespace.map_or_else(|| name.to_owned(), |namespace| format!("{namespace}/{name}"));
        let children = objects.into_iter().map(|reader| object(reader, scope.as_ref())).collect();
        Node { children, ..Node::new(kind.as_str(), name, detail) }
    };
    readers.into_iter().map(node).collect()
}

fn of_store(status: &StoreStatus) -> String {
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
    let account = status.identity.as_ref().map(|identity| format!("account {}", identity.account));
    let region = status.region.as_ref().map(|region| format!("region {region}"));
    let warnings = Some(status.warnings.len()).filter(|count| *count > 0).map(|number| count(number, "warning"));
    let parts = [ready.map(object::readiness), account, region, warnings];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
