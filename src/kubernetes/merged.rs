//! One cache for the watches of several namespaces. A watch that starts over replaces the objects of its namespace alone.
//! The cache is complete once each watch has received its list or was refused: a namespace that does not exist or that the
//! operator may not read keeps nobody waiting.

use std::{collections::HashSet, future, sync::Arc};

use futures::{
    StreamExt,
    stream::{BoxStream, select_all},
};
use kube::{
    Resource,
    runtime::{
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::Event,
    },
};

use crate::kubernetes::{
    cached::{Change, Watched},
    watch_stream::Refused,
};

/// The watch of one namespace, or of the whole cluster.
pub(crate) struct Part<K> {
    /// The namespace; `None` if the watch is the only one.
    pub(crate) namespace: Option<Arc<str>>,
    /// What it yields.
    pub(crate) attempts: BoxStream<'static, Result<Event<K>, Refused>>,
}

impl<K> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    /// Creates a cache that these watches fill. After a list of one of them, all objects are announced as listed.
    pub(crate) fn merged(parts: Vec<Part<K>>) -> Self {
        let (store, writer) = reflector::store();
        let lists = parts.iter().map(|part| List::new(part.namespace.clone())).collect();
        let mut cache = MergedCache { store: store.clone(), writer, lists, is_complete: false };
        let attempts = parts.into_iter().enumerate();
        let attempts = attempts.map(|(n, part)| part.attempts.map(move |attempt| (n, attempt)));
        let changes = select_all(attempts).filter_map(move |(n, attempt)| future::ready(cache.apply(n, attempt)));
        Self { store, changes: changes.boxed() }
    }
}

struct MergedCache<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store: Store<K>,
    writer: Writer<K>,
    lists: Vec<List<K>>,
    is_complete: bool,
}

/// The list of one namespace.
struct List<K> {
    namespace: Option<Arc<str>>,
    /// What has arrived of it.
    objects: Vec<K>,
    /// Whether a whole list has arrived, or was refused.
    is_settled: bool,
}

impl<K: Resource> List<K> {
    const fn new(namespace: Option<Arc<str>>) -> Self {
        Self { namespace, objects: Vec::new(), is_settled: false }
    }

    fn covers(&self, object: &K) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| object.meta().namespace.as_deref() == Some(namespace))
    }
}

impl<K> MergedCache<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    /// Applies what watch `n` yields. Returns the change of the cache; `None` while it or a list is incomplete.
    fn apply(&mut self, n: usize, attempt: Result<Event<K>, Refused>) -> Option<Change<K>> {
        let change = match attempt {
            Ok(Event::Init) => {
                self.lists[n].objects = Vec::new();
                return None;
            }
            Ok(Event::InitApply(object)) => {
                self.lists[n].objects.push(object);
                return None;
            }
            Err(Refused) => return self.settle(n),
            Ok(Event::InitDone) => {
                let gone = self.replace(n);
                if let Some(change) = self.settle(n) {
                    return Some(change);
                }
                Change::Listed { objects: self.store.state(), gone }
            }
            Ok(Event::Apply(object)) => {
                let key = ObjectRef::from_obj(&object);
                let before = self.store.get(&key);
                self.writer.apply_watcher_event(&Event::Apply(object));
                Change::Applied { object: self.store.get(&key)?, before }
            }
            Ok(Event::Delete(object)) => {
                let event = Event::Delete(object);
                self.writer.apply_watcher_event(&event);
                let Event::Delete(object) = event else { return None };
                Change::Deleted(Arc::new(object))
            }
        };
        self.is_complete.then_some(change)
    }

    /// Replaces the objects of a namespace by those of its list. Returns those that do not exist any more.
    fn replace(&mut self, n: usize) -> Vec<Arc<K>> {
        let list = &mut self.lists[n];
        let before = self.store.state().into_iter().filter(|object| list.covers(object));
        let before: Vec<_> = before.collect();
        let objects = std::mem::take(&mut list.objects);
        let names: HashSet<_> = objects.iter().map(ObjectRef::from_obj).collect();
        let uids: HashSet<_> = objects.iter().filter_map(|object| object.meta().uid.clone()).collect();
        for object in before.iter().filter(|object| !names.contains(&ObjectRef::from_obj(&***object))) {
            self.writer.apply_watcher_event(&Event::Delete(K::clone(object)));
        }
        for object in objects {
            self.writer.apply_watcher_event(&Event::Apply(object));
        }
        let exists = |object: &Arc<K>| object.meta().uid.as_ref().is_some_and(|uid| uids.contains(uid));
        before.into_iter().filter(|object| !exists(object)).collect()
    }

    /// Notes that the list of a namespace has arrived, or will not. Announces the cache if it was the last to wait for.
    fn settle(&mut self, n: usize) -> Option<Change<K>> {
        self.lists[n].is_settled = true;
        if self.is_complete || self.lists.iter().any(|list| !list.is_settled) {
            return None;
        }
        self.is_complete = true;
        let objects = self.store.state();
        // Only a list makes a cache ready.
        self.writer.apply_watcher_event(&Event::Init);
        for object in &objects {
            self.writer.apply_watcher_event(&Event::InitApply(K::clone(object)));
        }
        self.writer.apply_watcher_event(&Event::InitDone);
        Some(Change::Listed { objects: self.store.state(), gone: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, executor::block_on, stream};
    use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

    use super::*;

    type Attempt = Result<Event<ConfigMap>, Refused>;

    fn object(namespace: &str, name: &str, uid: &str) -> ConfigMap {
        let text = |text: &str| Some(text.to_owned());
        let metadata =
            ObjectMeta { name: text(name), namespace: text(namespace), uid: text(uid), ..ObjectMeta::default() };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    fn show(objects: &[Arc<ConfigMap>]) -> String {
        let text = |text: &Option<String>| text.clone().expect("a text");
        let show = |m: &ObjectMeta| format!("{}/{}#{}", text(&m.namespace), text(&m.name), text(&m.uid));
        let mut shown: Vec<_> = objects.iter().map(|object| show(&object.metadata)).collect();
        shown.sort();
        shown.join(" ")
    }

    /// What is announced after each attempt of the watches of namespaces a and b, and what the cache then holds.
    fn announced(attempts: Vec<(usize, Attempt)>) -> Vec<String> {
        let (store, writer) = reflector::store();
        let lists = ["a", "b"].map(|namespace| List::new(Some(namespace.into()))).into();
        let mut cache = MergedCache { store: store.clone(), writer, lists, is_complete: false };
        let mut shown = Vec::new();
        for (n, attempt) in attempts {
            let change = match cache.apply(n, attempt) {
                None => continue,
                Some(Change::Listed { objects, gone }) => {
                    assert_eq!(show(&objects), show(&store.state()));
                    format!("listed, gone {}", show(&gone))
                }
                Some(Change::Applied { object, before }) => {
                    format!("applied {}, before {}", show(&[object]), show(&before.into_iter().collect::<Vec<_>>()))
                }
                Some(Change::Deleted(object)) => format!("deleted {}", show(&[object])),
            };
            let is_ready = store.wait_until_ready().now_or_never().is_some();
            shown.push(format!("{change}: {} {}", show(&store.state()), if is_ready { "ready" } else { "" }));
        }
        shown
    }

    fn list(n: usize, objects: Vec<ConfigMap>) -> Vec<(usize, Attempt)> {
        let objects = objects.into_iter().map(Event::InitApply);
        [Event::Init].into_iter().chain(objects).chain([Event::InitDone]).map(|event| (n, Ok(event))).collect()
    }

    #[test]
    fn a_list_of_one_namespace_replaces_its_objects_alone() {
        let mut attempts = list(0, vec![object("a", "x", "1"), object("a", "y", "2")]);
        // Before the cache is complete, nothing is announced.
        attempts.push((0, Ok(Event::Apply(object("a", "z", "3")))));
        attempts.extend(list(1, vec![object("b", "x", "4")]));
        // b starts over: its list counts only once it is complete.
        attempts.extend([(1, Ok(Event::Init)), (1, Ok(Event::InitApply(object("b", "lost", "9"))))]);
        attempts.push((0, Ok(Event::Delete(object("a", "z", "3")))));
        attempts.extend(list(1, vec![object("b", "x", "5"), object("b", "y", "6")]));
        attempts.extend(list(0, vec![object("a", "y", "2")]));
        let expected = [
            "listed, gone : a/x#1 a/y#2 a/z#3 b/x#4 ready",
            "deleted a/z#3: a/x#1 a/y#2 b/x#4 ready",
            "listed, gone b/x#4: a/x#1 a/y#2 b/x#5 b/y#6 ready",
            "listed, gone a/x#1: a/y#2 b/x#5 b/y#6 ready",
        ];
        assert_eq!(announced(attempts), expected);
    }

    #[test]
    fn a_refused_namespace_keeps_nobody_waiting_and_appears_when_it_is_granted() {
        let mut attempts = vec![(1, Ok(Event::Init)), (1, Err(Refused))];
        attempts.extend(list(0, vec![object("a", "x", "1")]));
        attempts.extend([(1, Ok(Event::Init)), (1, Err(Refused))]);
        attempts.extend(list(1, vec![object("b", "x", "2")]));
        // The right is taken away again: what is known stays.
        attempts.push((1, Err(Refused)));
        attempts.push((0, Ok(Event::Apply(object("a", "x", "1")))));
        let expected = [
            "listed, gone : a/x#1 ready",
            "listed, gone : a/x#1 b/x#2 ready",
            "applied a/x#1, before a/x#1: a/x#1 b/x#2 ready",
        ];
        assert_eq!(announced(attempts), expected);
    }

    #[test]
    fn all_watches_are_polled() {
        let part = |namespace: &str| Part {
            namespace: Some(namespace.into()),
            attempts: stream::iter(list(0, vec![object(namespace, "x", namespace)]).into_iter().map(|(_, a)| a))
                .boxed(),
        };
        let Watched { store, changes } = Watched::merged(vec![part("a"), part("b")]);
        assert_eq!(block_on(changes.count()), 1);
        assert_eq!(show(&store.state()), "a/x#a b/x#b");
    }
}
