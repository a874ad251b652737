//! Watched objects in a cache. A change is announced only once the cache shows it, so that whoever acts on it acts on the
//! state that it announces. A watch that starts over receives its list in pages; the cache replaces the former list when
//! the last page has arrived, and the changes that came with the list are announced then, all at once.

use std::{collections::HashSet, future, hash::Hash, pin::pin, sync::Arc};

use futures::{
    Stream, StreamExt,
    future::{Either, select},
    stream::{self, BoxStream},
};
use kube::{
    Resource,
    runtime::{
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher::Event,
    },
};

/// A change of a cache, which shows it already.
#[derive(Debug)]
pub(crate) enum Change<K> {
    /// An object was created or changed.
    Applied {
        /// The object.
        object: Arc<K>,
        /// What the cache held under its name before.
        before: Option<Arc<K>>,
    },
    /// An object was deleted.
    Deleted(Arc<K>),
    /// The watch began or started over. The cache holds a complete list. What happened to an object since the former list
    /// has no event of its own, except in `gone`.
    Listed {
        /// All objects of the list.
        objects: Vec<Arc<K>>,
        /// The objects that the cache held before and that do not exist any more. One that was created again under the
        /// same name is in both.
        gone: Vec<Arc<K>>,
    },
}

/// A cache and the changes that fill it. The cache is filled only while the changes are polled.
pub(crate) struct Watched<K: Resource<DynamicType = ()> + 'static> {
    /// The cache.
    pub(crate) store: Store<K>,
    /// Every change, after it was applied to the cache.
    pub(crate) changes: BoxStream<'static, Change<K>>,
}

impl<K> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    /// Creates a cache that these events fill.
    pub(crate) fn new(events: impl Stream<Item = Event<K>> + Send + 'static) -> Self {
        let (store, writer) = reflector::store();
        let mut cache = Cache { store: store.clone(), writer };
        let changes = events.filter_map(move |event| future::ready(cache.apply(&event))).boxed();
        Self { store, changes }
    }

    /// Fills the cache, but announces no change before `start` resolves. Then announces what the cache holds as a list, if it
    /// is complete, and from then on every change. What was deleted meanwhile is not announced: nobody has acted on it.
    pub(crate) fn after(self, start: impl Future<Output = ()> + Send + 'static) -> Self {
        let Self { store, changes } = self;
        let cache = store.clone();
        let list = move || Change::Listed { objects: cache.state(), gone: Vec::new() };
        Self { store, changes: held_until(start, changes, |change| matches!(change, Change::Listed { .. }), list) }
    }
}

/// Takes changes but yields none before `start` resolves. Then yields `list` if there was a list, and every change from then
/// on.
pub(crate) fn held_until<C: Send + 'static>(
    start: impl Future<Output = ()> + Send + 'static,
    mut changes: BoxStream<'static, C>,
    is_list: fn(&C) -> bool,
    list: impl FnOnce() -> C + Send + 'static,
) -> BoxStream<'static, C> {
    let changes = stream::once(async move {
        let (mut start, mut is_listed) = (pin!(start), false);
        loop {
            match select(&mut start, changes.next()).await {
                Either::Left(_) => break,
                Either::Right((Some(change), _)) => is_listed |= is_list(&change),
                Either::Right((None, start)) => break start.await,
            }
        }
        stream::iter(is_listed.then(list)).chain(changes)
    });
    changes.flatten().boxed()
}

struct Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store: Store<K>,
    writer: Writer<K>,
}

impl<K> Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    /// Applies an event. Returns the change of the cache; `None` while a list is incomplete.
    fn apply(&mut self, event: &Event<K>) -> Option<Change<K>> {
        match event {
            Event::Init | Event::InitApply(_) => {
                self.writer.apply_watcher_event(event);
                None
            }
            Event::InitDone => {
                let before = self.store.state();
                self.writer.apply_watcher_event(event);
                let objects = self.store.state();
                let uids: HashSet<_> = objects.iter().map(|object| &object.meta().uid).collect();
                let gone = before.into_iter().filter(|object| !uids.contains(&object.meta().uid)).collect();
                Some(Change::Listed { objects, gone })
            }
            Event::Apply(object) => {
                let key = ObjectRef::from_obj(object);
                let before = self.store.get(&key);
                self.writer.apply_watcher_event(event);
                self.store.get(&key).map(|object| Change::Applied { object, before })
            }
            Event::Delete(object) => {
                self.writer.apply_watcher_event(event);
                Some(Change::Deleted(Arc::new(object.clone())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{
        FutureExt,
        channel::{mpsc, oneshot},
        executor::block_on,
    };
    use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};

    use super::*;

    fn object(name: &str, uid: &str, version: &str) -> ConfigMap {
        let text = |text: &str| Some(text.to_owned());
        let metadata = ObjectMeta {
            name: text(name),
            namespace: text("shop"),
            uid: text(uid),
            resource_version: text(version),
            ..ObjectMeta::default()
        };
        ConfigMap { metadata, ..ConfigMap::default() }
    }

    fn show(object: &ConfigMap) -> String {
        let meta = &object.metadata;
        let [name, uid, version] =
            [&meta.name, &meta.uid, &meta.resource_version].map(|text| text.as_deref().expect("a text"));
        format!("{name}/{uid}@{version}")
    }

    fn show_all(objects: &[Arc<ConfigMap>]) -> String {
        let mut shown: Vec<_> = objects.iter().map(|object| show(object)).collect();
        shown.sort();
        shown.join(" ")
    }

    /// The changes that events make, each with what the cache holds when it is announced.
    fn changes(events: Vec<Event<ConfigMap>>) -> Vec<(String, String)> {
        let Watched { store, changes } = Watched::new(stream::iter(events));
        let shown = changes.map(|change| {
            let change = match change {
                Change::Applied { object, before } => {
                    format!(
                        "applied {}, before {}",
                        show(&object),
                        before.map_or_else(|| "nothing".into(), |b| show(&b))
                    )
                }
                Change::Deleted(object) => format!("deleted {}", show(&object)),
                Change::Listed { objects, gone } => format!("listed {}, gone {}", show_all(&objects), show_all(&gone)),
            };
            (change, show_all(&store.state()))
        });
        block_on(shown.collect())
    }

    #[test]
    fn whoever_starts_later_gets_what_the_cache_holds_then() {
        let (start, started) = oneshot::channel::<()>();
        let before = [
            Event::Init,
            Event::InitApply(object("a", "1", "10")),
            Event::InitApply(object("b", "2", "10")),
            Event::InitDone,
            Event::Apply(object("a", "1", "11")),
            Event::Delete(object("b", "2", "12")),
        ];
        let (events, received) = mpsc::unbounded();
        let Watched { store, mut changes } = Watched::new(received).after(started.map(drop));
        for event in before {
            events.unbounded_send(event).expect("a watch");
        }
        assert!(changes.next().now_or_never().is_none(), "nothing is announced");
        assert_eq!(show_all(&store.state()), "a/1@11", "but the cache follows");
        start.send(()).expect("it waits");
        let Some(Change::Listed { objects, gone }) = block_on(changes.next()) else { unreachable!("a list") };
        assert_eq!((show_all(&objects).as_str(), gone.len()), ("a/1@11", 0));
        events.unbounded_send(Event::Apply(object("c", "3", "13"))).expect("a watch");
        assert!(matches!(block_on(changes.next()), Some(Change::Applied { .. })));
    }

    #[test]
    fn whoever_starts_before_the_first_list_gets_it_once() {
        let events = [Event::Init, Event::InitApply(object("a", "1", "10")), Event::InitDone];
        let changes = Watched::new(stream::iter(events)).after(future::ready(())).changes;
        assert_eq!(block_on(changes.count()), 1);
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(change, cache)| ((*change).to_owned(), (*cache).to_owned())).collect()
    }

    #[test]
    fn changes_that_come_with_a_list_are_announced_once_the_cache_holds_all_of_it() {
        let events = vec![
            Event::Init,
            Event::InitApply(object("a", "1", "10")),
            Event::InitApply(object("b", "2", "10")),
            Event::InitApply(object("c", "3", "10")),
            Event::InitDone,
            // The watch expires. Meanwhile a changed, b was deleted and c was created again.
            Event::Init,
            Event::InitApply(object("a", "1", "20")),
            Event::InitApply(object("c", "4", "20")),
            Event::InitDone,
        ];
        let (first, second) = ("a/1@10 b/2@10 c/3@10", "a/1@20 c/4@20");
        let listed = [format!("listed {first}, gone "), format!("listed {second}, gone b/2@10 c/3@10")];
        assert_eq!(changes(events), pairs(&[(&listed[0], first), (&listed[1], second)]));
    }

    #[test]
    fn a_list_that_is_not_completed_changes_nothing() {
        let events = vec![
            Event::Init,
            Event::InitApply(object("a", "1", "10")),
            Event::InitDone,
            Event::Init,
            Event::InitApply(object("b", "2", "20")),
            // A page failed, and the list begins again.
            Event::Init,
            Event::InitApply(object("a", "1", "20")),
            Event::InitDone,
        ];
        let expected = [("listed a/1@10, gone ", "a/1@10"), ("listed a/1@20, gone ", "a/1@20")];
        assert_eq!(changes(events), pairs(&expected));
    }

    #[test]
    fn single_changes_are_announced_after_the_cache_shows_them() {
        let events = vec![
            Event::Init,
            Event::InitDone,
            Event::Apply(object("a", "1", "10")),
            Event::Apply(object("a", "1", "11")),
            Event::Delete(object("a", "1", "12")),
        ];
        let expected = [
            ("listed , gone ", ""),
            ("applied a/1@10, before nothing", "a/1@10"),
            ("applied a/1@11, before a/1@10", "a/1@11"),
            ("deleted a/1@12", ""),
        ];
        assert_eq!(changes(events), pairs(&expected));
    }
}
