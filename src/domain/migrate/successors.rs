//! Cluster stores that take the place of several stores: the name of a store of a namespace and that of its namespace are
//! joined, and others may give the same.

use std::collections::BTreeMap;

use crate::{
    api::StoreKind,
    domain::{migrate::store::Store, report::text::list},
};

/// The stores that become cluster stores, by the name of the cluster store.
#[derive(Debug, Default)]
pub(super) struct Successors(BTreeMap<String, Vec<String>>);

impl Successors {
    /// Collects the cluster stores that take the place of stores of Parameter Store.
    pub(super) fn of<'a>(stores: impl Iterator<Item = &'a Store>) -> Self {
        let mut successors: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for store in stores {
            if let Some(name) = cluster_store(store) {
                successors.entry(name).or_default().push(store.source());
            }
        }
        Self(successors)
    }

    /// Says what is wrong if other stores become the same cluster store, as a sentence without a full stop.
    pub(super) fn problem(&self, store: &Store) -> Option<String> {
        let name = cluster_store(store)?;
        let sources: Vec<&str> = self.0.get(&name)?.iter().map(String::as_str).collect();
        (sources.len() > 1).then(|| {
            format!(
                "{} would all become ClusterParameterStore {name}; give each a name of its own here, and in the objects \
                 that read from it",
                list(&sources)
            )
        })
    }
}

/// Returns the name of the cluster store that a store becomes, if it becomes one.
fn cluster_store(store: &Store) -> Option<String> {
    let (kind, name) = store.successor();
    (store.other_service.is_none() && kind == StoreKind::ClusterParameterStore).then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::migrate::store;

    fn read(namespace: Option<&str>, name: &str, service: &str) -> Store {
        let aws = json!({"service": service, "region": "eu-central-1"});
        let store = json!({"metadata": {"name": name}, "spec": {"provider": {"aws": aws}}});
        store::read(store, namespace.map(str::to_owned))
    }

    #[test]
    fn several_stores_with_one_successor_are_a_problem() {
        let stores = [
            read(Some("a"), "b-c", "ParameterStore"),
            read(Some("a-b"), "c", "ParameterStore"),
            read(None, "a-b-c", "ParameterStore"),
            read(Some("a"), "b", "ParameterStore"),
            read(None, "a-b", "SecretsManager"),
        ];
        let successors = Successors::of(stores.iter());
        let problems: Vec<_> = stores.iter().map(|store| successors.problem(store)).collect();
        for problem in &problems[..3] {
            let problem = problem.as_deref().unwrap_or_default();
            for part in ["SecretStore a/b-c", "SecretStore a-b/c", "ClusterSecretStore a-b-c", "ParameterStore a-b-c"] {
                assert!(problem.contains(part), "{problem}");
            }
        }
        assert_eq!(problems[3..], [None, None]);
    }
}
