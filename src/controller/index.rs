//! The `SecureParameter`s by uid, by target Secret and by store. A synchronous index that the watch feeds.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt, runtime::reflector::ObjectRef};

use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter, StoreKind},
    domain::small_map::SmallMap,
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

/// What an object and its Secret are called.
#[derive(Clone, Debug)]
pub(crate) struct ObjectNames {
    /// Its uid.
    pub(crate) uid: Arc<str>,
    /// Its namespace.
    pub(crate) namespace: Arc<str>,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// The Secret that its spec names.
    pub(crate) secret: Arc<str>,
}

/// The objects that target one Secret, by age.
type Claimants = SmallMap<(Timestamp, Arc<str>), ()>;

/// The index. What many objects have in common is one string.
#[derive(Debug, Default)]
pub(crate) struct Index {
    objects: HashMap<Arc<str>, Box<Entry>>,
    /// The objects that target a Secret, by its namespace and its name.
    by_secret: HashMap<Arc<str>, HashMap<Arc<str>, Claimants>>,
    by_store: HashMap<Arc<StoreKey>, BTreeSet<Arc<str>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    namespace: Arc<str>,
    name: Arc<str>,
    created: Timestamp,
    /// Mostly the name of the object, and then the same string.
    secret: Arc<str>,
    store: Arc<StoreKey>,
    /// Merges keys into a Secret that it does not own.
    merges: bool,
    deleting: bool,
}

impl Entry {
    fn of(object: &SecureParameter, index: &Index) -> Self {
        let meta = &object.metadata;
        let (namespace, store) = (meta.namespace.as_deref().unwrap_or_default(), StoreKey::of(object));
        let before = meta.uid.as_deref().and_then(|uid| index.objects.get(uid));
        let name = shared(before.map(|before| &before.name), meta.name.as_deref().unwrap_or_default());
        Self {
            namespace: known(&index.by_secret, namespace).unwrap_or_else(|| namespace.into()),
            created: meta.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default(),
            secret: shared(Some(&name), object.secret_name()),
            name,
            store: known(&index.by_store, &store).unwrap_or_else(|| Arc::new(store)),
            merges: object.spec.merges(),
            deleting: meta.deletion_timestamp.is_some(),
        }
    }

    fn reference(&self) -> ObjectRef<SecureParameter> {
        ObjectRef::new(&self.name).within(&self.namespace)
    }
}

/// Returns a text as one with `known`, if they are equal.
fn shared(known: Option<&Arc<str>>, text: &str) -> Arc<str> {
    known.filter(|known| ***known == *text).cloned().unwrap_or_else(|| text.into())
}

/// Returns the key that a map holds of those that equal this one.
fn known<Q: ?Sized + Hash + Eq, V>(map: &HashMap<Arc<Q>, V>, key: &Q) -> Option<Arc<Q>> {
    map.get_key_value(key).map(|(known, _)| Arc::clone(known))
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
                let listed: HashSet<_> = objects.iter().filter_map(|object| object.metadata.uid.as_deref()).collect();
                let deleted: Vec<_> = self.objects.keys().filter(|uid| !listed.contains(&***uid)).cloned().collect();
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
        let Some(uid) = object.metadata.uid.as_deref() else { return };
        let entry = Entry::of(object, self);
        if self.objects.get(uid).is_some_and(|known| **known == entry) {
            return;
        }
        let uid = self.shared_uid(uid);
        self.unlink(&uid, effects);
        let claimants = self.by_secret.entry(entry.namespace.clone()).or_default().entry(entry.secret.clone());
        claimants.or_default().insert((entry.created, uid.clone()), ());
        self.by_store.entry(entry.store.clone()).or_default().insert(uid.clone());
        effects.stores.insert(StoreKey::clone(&entry.store));
        self.objects.insert(uid, Box::new(entry));
    }

    fn remove(&mut self, uid: &str, effects: &mut Effects) {
        let entry = self.objects.get(uid).map(|entry| (entry.namespace.to_string(), entry.name.to_string()));
        self.unlink(uid, effects);
        effects.deleted.extend(entry.map(|(namespace, name)| (uid.to_owned(), namespace, name)));
    }

    fn unlink(&mut self, uid: &str, effects: &mut Effects) {
        let Some((uid, entry)) = self.objects.remove_entry(uid) else { return };
        if let Some(secrets) = self.by_secret.get_mut(&entry.namespace)
            && let Some(claimants) = secrets.get_mut(&entry.secret)
        {
            claimants.remove(&(entry.created, uid.clone()));
            let waiting = claimants.keys().filter_map(|(_, claimant)| self.objects.get(claimant));
            effects.objects.extend(waiting.map(|claimant| (claimant.namespace.to_string(), claimant.name.to_string())));
            if claimants.is_empty() {
                secrets.remove(&entry.secret);
            }
            if secrets.is_empty() {
                self.by_secret.remove(&entry.namespace);
            }
        }
        if let Some(subscribers) = self.by_store.get_mut(&entry.store) {
            subscribers.remove(&uid);
            if subscribers.is_empty() {
                self.by_store.remove(&entry.store);
            }
            effects.stores.insert(StoreKey::clone(&entry.store));
        }
    }

    fn shared_uid(&self, uid: &str) -> Arc<str> {
        known(&self.objects, uid).unwrap_or_else(|| uid.into())
    }

    /// Returns the names of an object, which whoever keeps them shares with the index.
    pub(crate) fn names(&self, object: &SecureParameter) -> ObjectNames {
        let meta = &object.metadata;
        let uid = meta.uid.as_deref().unwrap_or_default();
        let known = self.objects.get_key_value(uid);
        let entry = known.map(|(_, entry)| entry);
        let name = shared(entry.map(|entry| &entry.name), meta.name.as_deref().unwrap_or_default());
        ObjectNames {
            uid: shared(known.map(|(uid, _)| uid), uid),
            namespace: shared(entry.map(|entry| &entry.namespace), meta.namespace.as_deref().unwrap_or_default()),
            secret: shared(entry.map_or(Some(&name), |entry| Some(&entry.secret)), object.secret_name()),
            name,
        }
    }

    /// Reports whether an object with this uid exists.
    pub(crate) fn contains(&self, uid: &str) -> bool {
        self.objects.contains_key(uid)
    }

    /// Returns the name of the object with this uid, if it is in this namespace and not being deleted.
    pub(crate) fn name_of(&self, namespace: &str, uid: &str) -> Option<String> {
        let entry = self.objects.get(uid)?;
        (&*entry.namespace == namespace && !entry.deleting).then(|| entry.name.to_string())
    }

    /// Returns the name of the oldest object that would own this Secret, unless that is `uid`.
    pub(crate) fn older_claimant(&self, namespace: &str, secret: &str, uid: &str) -> Option<String> {
        let may_hold = |entry: &Entry| !entry.deleting && !entry.merges;
        let (uids, objects) = (self.claimants(namespace, secret), &self.objects);
        let mut claimants = uids.filter_map(|uid| Some((uid, objects.get(uid)?)));
        let (oldest, entry) = claimants.find(|(_, entry)| may_hold(entry))?;
        (&**oldest != uid).then(|| entry.name.to_string())
    }

    /// Returns the objects that target this Secret.
    pub(crate) fn targeting(&self, namespace: &str, secret: &str) -> Vec<ObjectRef<SecureParameter>> {
        self.claimants(namespace, secret)
            .filter_map(|uid| self.objects.get(uid))
            .map(|entry| entry.reference())
            .collect()
    }

    fn claimants(&self, namespace: &str, secret: &str) -> impl Iterator<Item = &Arc<str>> {
        let claimants = self.by_secret.get(namespace).and_then(|secrets| secrets.get(secret));
        claimants.into_iter().flat_map(SmallMap::keys).map(|(_, uid)| uid)
    }

    /// Returns the objects that read from this store.
    pub(crate) fn subscribers(&self, store: &StoreKey) -> Vec<ObjectRef<SecureParameter>> {
        let uids = self.by_store.get(store).into_iter().flatten();
        uids.filter_map(|uid| self.objects.get(uid)).map(|entry| entry.reference()).collect()
    }

    /// Returns the uids of the objects that read from this store.
    pub(crate) fn subscriber_uids(&self, store: &StoreKey) -> Vec<Arc<str>> {
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
        self.objects.values().map(|entry| entry.reference()).collect()
    }

    /// Returns the objects of a namespace.
    pub(crate) fn in_namespace(&self, namespace: &str) -> Vec<ObjectRef<SecureParameter>> {
        self.objects.values().filter(|entry| &*entry.namespace == namespace).map(|entry| entry.reference()).collect()
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
                target: Some(Box::new(Target { name: Some(secret.into()), ..Target::default() })),
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
    fn names_are_those_that_the_index_holds_but_for_another_target() {
        let (mut index, object) = (Index::default(), object("a", 1, "s", "one"));
        let names = |index: &Index, object: &SecureParameter| {
            let ObjectNames { uid, namespace, name, secret } = index.names(object);
            [uid, namespace, name, secret]
        };
        let unknown = names(&index, &object);
        assert_eq!(unknown.each_ref().map(|text| &**text), ["uid-a", "shop", "a", "s"]);
        index.apply(&applied(object.clone()));
        let (known, again) = (names(&index, &object), names(&index, &object));
        assert!(known.iter().zip(&again).all(|(one, other)| Arc::ptr_eq(one, other)));
        let mut moved = object;
        moved.spec.target = Some(Box::new(Target { name: Some("t".into()), ..Target::default() }));
        let before = names(&index, &moved);
        assert!(*before[3] == *"t" && known.iter().zip(&before).take(3).all(|(one, other)| Arc::ptr_eq(one, other)));
        index.apply(&applied(moved.clone()));
        let after = names(&index, &moved);
        assert!(known.iter().zip(&after).take(3).all(|(one, other)| Arc::ptr_eq(one, other)), "also after the change");
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
