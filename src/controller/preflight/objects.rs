//! The objects of the stores, and what each reads.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    api::SecureParameter,
    controller::{
        index::StoreKey,
        store::{connections::StoreConnection, object::StoreObject},
    },
    domain::{
        access::{grant::Grant, namespace::Namespace, read_authority::ReadAuthority},
        plan::{compiled::CompiledSpec, from_spec::plan, types::Plan},
    },
    kubernetes::listing::Listing,
};

/// The objects that read, by store.
pub(super) struct Objects<'a> {
    by_store: BTreeMap<StoreKey, Vec<&'a SecureParameter>>,
    namespaces: BTreeMap<&'a str, Namespace>,
}

/// The objects of a namespace that read from a store.
pub(super) struct Readers<'a> {
    /// The namespace.
    pub(super) namespace: &'a Namespace,
    /// What the store grants to it; `None` for a namespaced store.
    pub(super) grant: Option<Arc<Grant>>,
    /// The objects, and what they read.
    pub(super) plans: Vec<(&'a SecureParameter, Plan)>,
}

/// The objects of a store.
#[derive(Default)]
pub(super) struct Planned<'a> {
    /// Those that may read, by namespace.
    pub(super) readers: Vec<Readers<'a>>,
    /// What was said to the others: their names and why.
    pub(super) refused: Vec<String>,
}

impl<'a> Objects<'a> {
    /// Returns the objects of a listing, without those that read nothing, because they are suspended or being deleted.
    pub(super) fn of(listing: &'a Listing) -> Self {
        let mut by_store: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for object in &listing.secure_parameters {
            if !object.spec.is_suspended() && object.metadata.deletion_timestamp.is_none() {
                by_store.entry(StoreKey::of(object)).or_default().push(object);
            }
        }
        let namespaces = listing.namespaces.iter().map(|namespace| &namespace.metadata);
        let namespaces = namespaces.filter(|meta| meta.deletion_timestamp.is_none()).filter_map(|meta| {
            let (name, labels) = (meta.name.as_deref()?, meta.labels.clone().unwrap_or_default());
            Some((name, Namespace { name: name.to_owned(), labels, is_hidden: false }))
        });
        Self { by_store, namespaces: namespaces.collect() }
    }

    /// Returns the stores that objects name.
    pub(super) fn stores(&self) -> impl Iterator<Item = &StoreKey> {
        self.by_store.keys()
    }

    /// Returns the objects that name a store.
    pub(super) fn of_store(&self, store: &StoreKey) -> &[&'a SecureParameter] {
        self.by_store.get(store).map(Vec::as_slice).unwrap_or_default()
    }

    /// Plans what the objects of a store read, as their reconciles do.
    pub(super) fn plan(&self, store: &StoreObject, connection: &StoreConnection) -> Planned<'_> {
        let mut by_namespace: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for object in self.of_store(&store.key) {
            by_namespace.entry(object.metadata.namespace.as_deref().unwrap_or_default()).or_default().push(*object);
        }
        let mut planned = Planned::default();
        for (name, objects) in by_namespace {
            // One that is being deleted is not read for.
            let Some(namespace) = self.namespaces.get(name) else { continue };
            planned.add(store, connection, namespace, objects);
        }
        planned
    }
}

impl<'a> Planned<'a> {
    fn add(
        &mut self,
        store: &StoreObject,
        connection: &StoreConnection,
        namespace: &'a Namespace,
        objects: Vec<&'a SecureParameter>,
    ) {
        let grant = match connection.grant(namespace) {
            Ok(grant) => grant,
            Err(problem) => return self.refused.push(format!("namespace {}: {problem}", namespace.name)),
        };
        let mut plans = Vec::new();
        for object in objects {
            let planned = CompiledSpec::new(&object.spec).and_then(|compiled| {
                let store = store.key.to_string();
                plan(&object.spec, &compiled, &authority(&store, connection, namespace, grant.as_deref()))
            });
            let name = object.metadata.name.as_deref().unwrap_or_default();
            match planned {
                Ok(plan) => plans.push((object, plan)),
                Err(fault) => self.refused.push(format!("{}/{name}: {}", namespace.name, fault.message)),
            }
        }
        if !plans.is_empty() {
            self.readers.push(Readers { namespace, grant, plans });
        }
    }
}

/// Returns what the objects of a namespace may read.
pub(super) fn authority<'a>(
    store: &'a str,
    connection: &'a StoreConnection,
    namespace: &'a Namespace,
    grant: Option<&'a Grant>,
) -> ReadAuthority<'a> {
    let (scope, prefix) = (connection.sessions.scope(), &connection.prefix);
    ReadAuthority { scope, prefix, grant, namespace: &namespace.name, store }
}
