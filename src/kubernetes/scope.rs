//! The namespaces that the operator works in.

use std::{collections::BTreeSet, sync::Arc};

use kube::{Api, Client, Resource, core::NamespaceResourceScope};

/// All namespaces, or those of a list. The operator watches and writes nothing in others.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    listed: Option<Arc<BTreeSet<String>>>,
}

impl Scope {
    /// The namespaces of this list; all if it is empty.
    pub fn new(namespaces: impl IntoIterator<Item = String>) -> Self {
        let listed: BTreeSet<_> = namespaces.into_iter().collect();
        Self { listed: (!listed.is_empty()).then(|| Arc::new(listed)) }
    }

    /// Returns the list; `None` for all namespaces.
    pub(crate) fn listed(&self) -> Option<&BTreeSet<String>> {
        self.listed.as_deref()
    }

    /// Reports whether there is a list.
    pub(crate) const fn is_limited(&self) -> bool {
        self.listed.is_some()
    }

    /// Reports whether the operator works in this namespace.
    pub(crate) fn contains(&self, namespace: &str) -> bool {
        self.listed.as_ref().is_none_or(|listed| listed.contains(namespace))
    }

    /// What the watches of a namespaced kind are for: one for each namespace of the list, or one for all namespaces.
    pub(crate) fn parts(&self) -> Vec<Option<Arc<str>>> {
        match &self.listed {
            Some(listed) => listed.iter().map(|namespace| Some(namespace.as_str().into())).collect(),
            None => vec![None],
        }
    }
}

/// The objects of one namespace, or of all.
pub(crate) fn api_of<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
