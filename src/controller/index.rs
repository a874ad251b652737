//! The `SecureParameter`s by uid, by target Secret and by store. A synchronous index that the watch feeds.

use std::collections::{BTreeSet, HashMap, HashSet};

use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::ObjectRef};

use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter, StoreKind},
    kubernetes::cached::Change,
};

/// Identifies a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StoreKey {
    /// Kind.
    pub(crate) kind: StoreKind,
    /// Namespace; `None` for cluster stores.
    pub(crate) namespace: Option<String>,
    /// Name.
    pub(crate) name: String,
}

impl StoreKey {
    /// Returns the store that an object refers to.
    pub(crate) fn of(object: &SecureParameter) -> Self {
        let (kind, name) = object.spec.store();
        let namespace = (kind == StoreKind::ParameterStore).then(|| object.metadata.namespace.clone()).flatten();
        Self { kind, namespace, name: name.to_owned() }
    }

    /// Returns the key of a cluster store.
    pub(crate) fn cluster(store: &ClusterParameterStore) -> Self {
        Self { kind: StoreKind::ClusterParameterStore, namespace: None, name: store.name_any() }
    }

    /// Returns the key of a namespaced store.
    pub(crate) fn namespaced(store: &ParameterStore) -> Self {
        Self { kind: StoreKind::ParameterStore, namespace: store.namespace(), name: store.name_any() }
    }

    /// Returns kind, namespace and name as one string that no other store has.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}/{}", self.kind.as_str(), self.namespace.as_deref().unwrap_or_default(), self.name)
    }
}

impl std::fmt::Display for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// Namespace and name of a Secret.
type SecretKey = (String, String);

/// The index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    objects: HashMap<String, Entry>,
    /// The objects with this target, by age.
    by_secret: HashMap<SecretKey, BTreeSet<(Timestamp, String)>>,
    by_store: HashMap<StoreKey, BTreeSet<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    namespace: String,
    name: String,
    created: Timestamp,
    secret: String,
    store: StoreKey,
    /// Merges keys into a Secret that it does not own.
    merges: bool,
    deleting: bool,
}

impl Entry {
    fn of(object: &SecureParameter) -> Self {
        let meta = &object.metadata;
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default(),
            secret: object.secret_name().to_owned(),
            store: StoreKey::of(object),
            merges: object.spec.merges(),
            deleting: meta.deletion_timestamp.is_some(),
        }
    }

    fn secret_key(&self) -> SecretKey {
        (self.namespace.clone(), self.secret.clone())
    }

    fn reference(&self) -> ObjectRef<SecureParameter> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

/// The effects of a change of the index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Effects {
    /// Namespaces and names of objects to reconcile, because the Secret that they target may be free now.
    pub(crate) objects: BTreeSet<(String, String)>,
    /// Stores whose number of subscribers changed.
    pub(crate) stores: BTreeSet<StoreKey>,
    /// uid, namespace and name of deleted objects.
    pub(crate) deleted: Vec<(String, String, String)>,
}

impl Index {
    /// Applies a change of the cache.
    pub(crate) fn apply(&mut self, change: &Change<SecureParameter>) -> Effects {
        let mut effects = Effects::default();
        match change {
            Change::Applied { object, .. } => self.put(object, &mut effects),
            Change::Deleted(object) => {
                if let Some(uid) = &object.metadata.uid {
                    self.remove(uid, &mut effects);
                }
            }
            Change::Listed { objects, .. } => {
                let listed: HashSet<_> = objects.iter().filter_map(|object| object.metadata.uid.as_ref()).collect();
                let deleted: Vec<_> = self.objects.keys().filter(|uid| !listed.contains(uid)).cloned().collect();
                for uid in deleted {
                    self.remove(&uid, &mut effects);
                }
                for object in objects {
                    self.put(object, &mut effects);
                }
            }
        }
        effects
    }

    fn put(&mut self, object: &SecureParameter, effects: &mut Effects) {
        let Some(uid) = object.metadata.uid.clone() else { return };
        let entry = Entry::of(object);
        if self.objects.get(&uid) == Some(&entry) {
            return;
        }
        self.unlink(&uid, effects);
        self.by_secret.entry(entry.secret_key()).or_default().insert((entry.created, uid.clone()));
        self.by_store.entry(entry.store.clone()).or_default().insert(uid.clone());
        effects.stores.insert(entry.store.clone());
        self.objects.insert(uid, entry);
    }

    fn remove(&mut self, uid: &str, effects: &mut Effects) {
        let entry = self.objects.get(uid).map(|entry| (entry.namespace.clone(), entry.name.clone()));
        self.unlink(uid, effects);
        effects.deleted.extend(entry.map(|(namespace, name)| (uid.to_owned(), namespace, name)));
    }

    fn unlink(&mut self, uid: &str, effects: &mut Effects) {
        let Some(entry) = self.objects.remove(uid) else { return };
        if let Some(claimants) = self.by_secret.get_mut(&entry.secret_key()) {
            claimants.remove(&(entry.created, uid.to_owned()));
            let waiting = claimants.iter().filter_map(|(_, claimant)| self.objects.get(claimant));
            effects.objects.extend(waiting.map(|claimant| (claimant.namespace.clone(), claimant.name.clone())));
            if claimants.is_empty() {
                self.by_secret.remove(&entry.secret_key());
            }
        }
        if let Some(subscribers) = self.by_store.get_mut(&entry.store) {
            subscribers.remove(uid);
            if subscribers.is_empty() {
                self.by_store.remove(&entry.store);
            }
            effects.stores.insert(entry.store);
        }
    }

    /// Reports whether an object with this uid exists.
    pub(crate) fn contains(&self, uid: &str) -> bool {
        self.objects.contains_key(uid)
    }

    /// Returns the name of the object with this uid, if it is in this namespace and not being deleted.
    pub(crate) fn name_of(&self, namespace: &str, uid: &str) -> Option<String> {
        let entry = self.objects.get(uid)?;
        (entry.namespace == namespace && !entry.deleting).then(|| entry.name.clone())
    }

    /// Returns the name of the oldest object that would own this Secret, unless that is `uid`.
    pub(crate) fn older_claimant(&self, namespace: &str, secret: &str, uid: &str) -> Option<String> {
        let claimants = self.by_secret.get(&(namespace.to_owned(), secret.to_owned()))?;
        let may_hold = |entry: &Entry| !entry.deleting && !entry.merges;
        let (_, oldest) = claimants.iter().find(|(_, uid)| self.objects.get(uid).is_some_and(may_hold))?;
        (oldest != uid).then(|| self.objects.get(oldest).map(|entry| entry.name.clone())).flatten()
    }

    /// Returns the objects that target this Secret.
    pub(crate) fn targeting(&self, namespace: &str, secret: &str) -> Vec<ObjectRef<SecureParameter>> {
        let uids = self.by_secret.get(&(namespace.to_owned(), secret.to_owned())).into_iter().flatten();
        uids.filter_map(|(_, uid)| self.objects.get(uid)).map(Entry::reference).collect()
    }

    /// Returns the objects that read from this store.
    pub(crate) fn subscribers(&self, store: &StoreKey) -> Vec<ObjectRef<SecureParameter>> {
        let uids = self.by_store.get(store).into_iter().flatten();
        uids.filter_map(|uid| self.objects.get(uid)).map(Entry::reference).collect()
    }

    /// Returns the uids of the objects that read from this store.
    pub(crate) fn subscriber_uids(&self, store: &StoreKey) -> Vec<String> {
        self.by_store.get(store).into_iter().flatten().cloned().collect()
    }

    /// Returns the number of objects that read from this store.
    pub(crate) fn subscriber_count(&self, store: &StoreKey) -> usize {
        self.by_store.get(store).map_or(0, BTreeSet::len)
    }

    /// Returns the objects whose uid is selected.
    pub(crate) fn select(&self, is_selected: impl Fn(&str) -> bool) -> Vec<ObjectRef<SecureParameter>> {
        self.objects.iter().filter(|(uid, _)| is_selected(uid)).map(|(_, entry)| entry.reference()).collect()
    }

    /// Returns all objects.
    pub(crate) fn all(&self) -> Vec<ObjectRef<SecureParameter>> {
        self.objects.values().map(Entry::reference).collect()
    }

    /// Returns the objects of a namespace.
    pub(crate) fn in_namespace(&self, namespace: &str) -> Vec<ObjectRef<SecureParameter>> {
        self.objects.values().filter(|entry| entry.namespace == namespace).map(Entry::reference).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

    use super::*;
    use crate::api::{SecureParameterSpec, StoreRef, Target};

    fn object(name: &str, created: i64, secret: &str, store: &str) -> SecureParameter {
        SecureParameter {
            metadata: ObjectMeta {
                name: Some(name.into()),
                namespace: Some("shop".into()),
                uid: Some(format!("uid-{name}")),
                creation_timestamp: Some(Time(Timestamp::from_second(created).expect("a time"))),
                ..ObjectMeta::default()
            },
            spec: SecureParameterSpec {
                store_ref: Some(StoreRef { kind: None, name: Some(store.into()) }),
                target: Some(Target { name: Some(secret.into()), ..Target::default() }),
                ..SecureParameterSpec::default()
            },
            status: None,
        }
    }

    fn applied(object: SecureParameter) -> Change<SecureParameter> {
        Change::Applied { object: Arc::new(object), before: None }
    }

    fn store(name: &str) -> StoreKey {
        StoreKey { kind: StoreKind::ClusterParameterStore, namespace: None, name: name.into() }
    }

    #[test]
    fn the_oldest_object_claims_a_secret() {
        let mut index = Index::default();
        index.apply(&applied(object("young", 20, "s", "default")));
        index.apply(&applied(object("old", 10, "s", "default")));
        assert_eq!(index.older_claimant("shop", "s", "uid-young"), Some("old".into()));
        assert_eq!(index.older_claimant("shop", "s", "uid-old"), None);
        let effects = index.apply(&Change::Deleted(Arc::new(object("old", 10, "s", "default"))));
        assert_eq!(effects.objects, [("shop".to_owned(), "young".to_owned())].into());
        assert_eq!(effects.deleted, [("uid-old".to_owned(), "shop".to_owned(), "old".to_owned())]);
        assert_eq!(index.older_claimant("shop", "s", "uid-young"), None);
    }

    #[test]
    fn a_changed_store_and_target_leave_no_old_entry() {
        let mut index = Index::default();
        index.apply(&applied(object("a", 1, "s", "one")));
        let effects = index.apply(&applied(object("a", 1, "t", "two")));
        assert_eq!(effects.stores, [store("one"), store("two")].into());
        assert_eq!((index.subscriber_count(&store("one")), index.subscriber_count(&store("two"))), (0, 1));
        assert!(index.targeting("shop", "s").is_empty());
        assert_eq!(index.targeting("shop", "t").len(), 1);
        assert_eq!(index.apply(&applied(object("a", 1, "t", "two"))), Effects::default(), "nothing changed");
    }

    #[test]
    fn a_new_list_removes_what_it_does_not_show() {
        let mut index = Index::default();
        index.apply(&applied(object("a", 1, "s", "one")));
        index.apply(&applied(object("b", 1, "t", "one")));
        let objects = vec![Arc::new(object("b", 1, "t", "one")), Arc::new(object("c", 1, "u", "one"))];
        let effects = index.apply(&Change::Listed { objects, gone: Vec::new() });
        assert_eq!(effects.deleted, [("uid-a".to_owned(), "shop".to_owned(), "a".to_owned())]);
        assert!(!index.contains("uid-a") && index.contains("uid-b") && index.contains("uid-c"));
    }
}
