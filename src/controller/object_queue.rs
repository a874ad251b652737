//! The objects that wait to be reconciled. Namespaces take turns, and an object leaves the queue only when there is room to
//! reconcile it: it waits here as a name, and not as a reconcile with all that kube keeps of one. Adding an object that
//! waits already has no effect, so that the queue is never longer than there are objects.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::stream::{self, Stream};
use kube::runtime::reflector::ObjectRef;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    api::SecureParameter,
    controller::reconcile_slots::{OWN, SHARED},
};

/// The queue. Copies share it.
#[derive(Clone, Debug)]
pub(crate) struct ObjectQueue {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// The most of one namespace that are in progress.
    of_namespace: usize,
    namespaces: HashMap<Arc<str>, Namespace>,
    /// The namespaces that have objects waiting, in the order of their turns.
    turns: VecDeque<Arc<str>>,
    /// How many objects of all namespaces are in progress.
    in_progress: usize,
    /// Wakes who takes objects from the queue.
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Namespace {
    /// Names in the order of their turns, and since when each waits.
    order: VecDeque<(Arc<str>, Instant)>,
    /// The same names.
    waiting: HashSet<Arc<str>>,
    /// The objects that have left the queue, and whose reconcile has not ended.
    in_progress: HashSet<Arc<str>>,
}

impl ObjectQueue {
    /// Creates an empty queue. At most so many objects of one namespace are in progress at a time.
    pub(crate) fn new(of_namespace: u16) -> Self {
        let state = State {
            of_namespace: of_namespace.into(),
            namespaces: HashMap::new(),
            turns: VecDeque::new(),
            in_progress: 0,
            waker: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Adds an object, unless it waits already.
    pub(crate) fn add(&self, namespace: &str, name: &str) {
        let mut state = self.state.lock();
        state.add(namespace, name);
        state.wake();
    }

    /// Notes that the reconcile of an object has ended.
    pub(crate) fn ended(&self, namespace: Option<&str>, name: &str) {
        let mut state = self.state.lock();
        state.ended(namespace.unwrap_or_default(), name);
        state.wake();
    }

    /// Returns the objects as they leave the queue. Tells `left` how long each has waited.
    pub(crate) fn objects(
        &self,
        left: impl Fn(Duration) + Send + 'static,
    ) -> impl Stream<Item = ObjectRef<SecureParameter>> + Send + 'static {
        let state = Arc::clone(&self.state);
        stream::poll_fn(move |context| {
            // `left` is called without the lock, which it must not hold up.
            let polled = state.lock().poll(context);
            polled.map(|(object, since)| {
                left(since.elapsed());
                Some(object)
            })
        })
    }

    /// Returns how many objects wait.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().namespaces.values().map(|namespace| namespace.order.len()).sum()
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn add(&mut self, namespace: &str, name: &str) {
        if !self.namespaces.contains_key(namespace) {
            self.namespaces.insert(namespace.into(), Namespace::default());
        }
        let Some(key) = self.namespaces.get_key_value(namespace).map(|(key, _)| Arc::clone(key)) else { return };
        let Some(namespace) = self.namespaces.get_mut(&key).filter(|namespace| !namespace.waiting.contains(name))
        else {
            return;
        };
        let name: Arc<str> = name.into();
        if namespace.order.is_empty() {
            self.turns.push_back(key);
        }
        namespace.waiting.insert(Arc::clone(&name));
        namespace.order.push_back((name, Instant::now()));
    }

    fn ended(&mut self, key: &str, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(key) else { return };
        // An object that kube has reconciled of its own accord, after a while, is not in progress.
        if namespace.in_progress.remove(name) {
            self.in_progress -= 1;
        }
        if namespace.in_progress.is_empty() && namespace.order.is_empty() {
            self.namespaces.remove(key);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<(ObjectRef<SecureParameter>, Instant)> {
        if let Some(object) = self.next() {
            return Poll::Ready(object);
        }
        self.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Takes the next object for which there is room.
    fn next(&mut self) -> Option<(ObjectRef<SecureParameter>, Instant)> {
        let turn = self.turns.iter().position(|key| self.has_room(key))?;
        let key = self.turns.remove(turn)?;
        let namespace = self.namespaces.get_mut(&key)?;
        let (name, since) = namespace.order.pop_front()?;
        namespace.waiting.remove(&name);
        let object = ObjectRef::new(&name).within(&key);
        if namespace.in_progress.insert(name) {
            self.in_progress += 1;
        }
        if !namespace.order.is_empty() {
            self.turns.push_back(key);
        }
        Some((object, since))
    }

    fn has_room(&self, namespace: &str) -> bool {
        let in_progress = self.namespaces.get(namespace).map_or(0, |namespace| namespace.in_progress.len());
        in_progress < self.of_namespace && (in_progress < usize::from(OWN) || self.in_progress < SHARED)
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    /// What leaves the queue now.
    fn take(queue: &ObjectQueue) -> Vec<ObjectRef<SecureParameter>> {
        let mut objects = std::pin::pin!(queue.objects(|_| ()));
        std::iter::from_fn(|| objects.next().now_or_never().flatten()).collect()
    }

    fn names(objects: &[ObjectRef<SecureParameter>]) -> Vec<String> {
        let name = |object: &ObjectRef<SecureParameter>| {
            format!("{}/{}", object.namespace.as_deref().unwrap_or_default(), object.name)
        };
        objects.iter().map(name).collect()
    }

    #[test]
    fn an_object_waits_once_and_can_be_queued_again_when_it_has_left() {
        let queue = ObjectQueue::new(10);
        for name in ["a", "b", "a", "a", "b"] {
            queue.add("shop", name);
        }
        assert_eq!(names(&take(&queue)), ["shop/a", "shop/b"]);
        queue.add("shop", "a");
        assert_eq!(names(&take(&queue)), ["shop/a"], "although it is in progress: it may have changed");
    }

    #[test]
    fn namespaces_take_turns() {
        let queue = ObjectQueue::new(10);
        for (namespace, name) in [("busy", "a"), ("busy", "b"), ("busy", "c"), ("quiet", "x"), ("other", "y")] {
            queue.add(namespace, name);
        }
        assert_eq!(names(&take(&queue)), ["busy/a", "quiet/x", "other/y", "busy/b", "busy/c"]);
    }

    #[test]
    fn an_object_leaves_only_when_there_is_room() {
        let queue = ObjectQueue::new(2);
        for number in 0..5 {
            queue.add("busy", &number.to_string());
        }
        let first = take(&queue);
        assert_eq!(names(&first), ["busy/0", "busy/1"]);
        queue.add("quiet", "x");
        assert_eq!(names(&take(&queue)), ["quiet/x"], "the others wait only for their own namespace");
        queue.ended(Some("busy"), "0");
        assert_eq!(names(&take(&queue)), ["busy/2"]);
        // Reconciled again by kube, after a while.
        queue.ended(Some("busy"), "0");
        assert_eq!(names(&take(&queue)), [""; 0]);
    }

    #[test]
    fn all_namespaces_share_but_each_has_some_room_of_its_own() {
        let queue = ObjectQueue::new(1_000);
        for namespace in ["a", "b"] {
            (0..1_000).for_each(|number| queue.add(namespace, &number.to_string()));
        }
        assert_eq!(take(&queue).len(), SHARED);
        (0..100).for_each(|number| queue.add("quiet", &number.to_string()));
        assert_eq!(take(&queue).len(), usize::from(OWN));
    }

    #[test]
    fn nothing_is_kept_of_a_namespace_without_objects_in_progress() {
        let queue = ObjectQueue::new(10);
        for number in 0..100 {
            queue.add(&number.to_string(), "a");
        }
        while let objects = take(&queue)
            && !objects.is_empty()
        {
            for object in &objects {
                queue.ended(object.namespace.as_deref(), &object.name);
            }
        }
        let state = queue.state.lock();
        assert!(state.namespaces.is_empty() && state.turns.is_empty() && state.in_progress == 0, "{state:?}");
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let queue = ObjectQueue::new(1);
        let mut objects = Box::pin(queue.objects(|_| ()));
        let waiting = tokio::spawn(async move { (objects.next().await, objects.next().await) });
        tokio::task::yield_now().await;
        queue.add("shop", "a");
        queue.add("shop", "b");
        tokio::task::yield_now().await;
        queue.ended(Some("shop"), "a");
        let (first, second) = waiting.await.expect("no panic");
        assert_eq!(names(&[first.expect("an object"), second.expect("an object")]), ["shop/a", "shop/b"]);
    }
}
