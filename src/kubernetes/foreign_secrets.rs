//! Watches Secrets that the operator does not own: credentials of stores, and Secrets that consent to keys or stand in the
//! way of a target. One watch of all Secrets' metadata serves all of them, or one for each namespace if the operator works
//! in some only. It is open only while somebody refers to such a Secret, and nothing is kept of those that nobody refers to.

use std::{collections::HashSet, future, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    stream::{BoxStream, select_all},
};
use kube::{
    Client, ResourceExt,
    runtime::watcher::{self, Event},
};
use parking_lot::Mutex;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, interval_at},
};

use crate::background::{Alarm, BackgroundTask};
use crate::kubernetes::{
    followed_secrets::{FollowedSecrets, SecretKey},
    owned_secrets::SecretMeta,
    scope::{Scope, api_of},
    watch_stream::{FOREIGN_SECRETS, WatchName, WatchObserver, WatchReporter, stream},
};

/// How long the watch at least stays open after the last subscriber has left, since another one may come soon.
const LINGER: Duration = Duration::from_secs(60);

/// A namespace whose Secrets have a watch of their own; `None` if there is one watch for all.
type Place = Option<Arc<str>>;

type Events = BoxStream<'static, (Place, Event<SecretMeta>)>;

/// The Secrets that somebody subscribed to, and the watch that serves them.
pub(crate) struct ForeignSecrets {
    open: Box<dyn Fn() -> Events + Send + Sync>,
    alarm: Alarm,
    shared: Arc<Shared>,
}

/// Shared with the task of the watch.
struct Shared {
    state: Mutex<State>,
    changed: UnboundedSender<SecretKey>,
}

#[derive(Default)]
struct State {
    followed: FollowedSecrets,
    /// The task of the watch, while it is open.
    watch: Option<BackgroundTask>,
    /// Where the watch has received its list.
    listed: HashSet<Place>,
    /// Whether nobody subscribed to a Secret when the task looked last.
    was_idle: bool,
}

impl ForeignSecrets {
    /// Creates an empty set. The receiver yields namespace and name of each Secret that changed. A watch that ends while it
    /// is needed raises `alarm`.
    pub(crate) fn new(
        client: Client,
        scope: Scope,
        observer: Arc<dyn WatchObserver>,
        alarm: Alarm,
    ) -> (Self, UnboundedReceiver<SecretKey>) {
        let watch = move |place: Place| {
            let watch = WatchName { resource: FOREIGN_SECRETS, namespace: place.clone() };
            let reporter = WatchReporter { watch, is_optional: false, observer: observer.clone() };
            let events = stream(api_of(&client, place.as_deref()), watcher::Config::default(), reporter);
            events.map(move |event| (place.clone(), event)).boxed()
        };
        Self::with(move || select_all(scope.parts().into_iter().map(&watch)).boxed(), alarm)
    }

    fn with(open: impl Fn() -> Events + Send + Sync + 'static, alarm: Alarm) -> (Self, UnboundedReceiver<SecretKey>) {
        let (changed, receiver) = unbounded_channel();
        let shared = Arc::new(Shared { state: Mutex::default(), changed });
        (Self { open: Box::new(open), alarm, shared }, receiver)
    }

    /// Subscribes `subscriber` to this Secret and to no other, or to none.
    pub(crate) fn follow(&self, subscriber: &str, secret: Option<(&str, &str)>) {
        let secret = secret.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        let mut state = self.shared.state.lock();
        let newly_followed = state.followed.set(subscriber, secret.clone());
        if secret.is_none() {
            return;
        }
        state.was_idle = false;
        if state.watch.is_none() {
            state.listed.clear();
            let task = run(self.shared.clone(), (self.open)());
            state.watch = Some(BackgroundTask::spawn("watches the Secrets of others", &self.alarm, task));
        } else if let Some(key) = newly_followed.filter(|key| state.is_listed(key)) {
            // It may have changed before it was followed.
            self.shared.announce(key);
        }
    }
}

impl Drop for ForeignSecrets {
    fn drop(&mut self) {
        // The task keeps the state alive that holds it.
        drop(self.shared.state.lock().watch.take());
    }
}

/// Runs the watch until nobody has subscribed to a Secret for a while.
async fn run(shared: Arc<Shared>, mut events: Events) {
    let mut looks = interval_at(Instant::now() + LINGER, LINGER);
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some((place, event)) => shared.on_event(place, &event),
                None => return,
            },
            _ = looks.tick() => if shared.end_if_idle() {
                // It was aborted.
                future::pending::<()>().await;
            }
        }
    }
}

/// Reports whether the watch of this place sees a Secret.
fn covers(place: &Place, (namespace, _): &SecretKey) -> bool {
    place.as_deref().is_none_or(|place| place == namespace)
}

impl State {
    fn is_listed(&self, key: &SecretKey) -> bool {
        self.listed.iter().any(|place| covers(place, key))
    }
}

impl Shared {
    fn on_event(&self, place: Place, event: &Event<SecretMeta>) {
        let mut state = self.state.lock();
        match event {
            Event::Init => drop(state.listed.remove(&place)),
            Event::InitApply(_) => {}
            // What happened to a Secret before the list has no event of its own.
            Event::InitDone => {
                let listed = state.followed.secrets().filter(|key| covers(&place, key));
                listed.for_each(|key| self.announce(key.clone()));
                state.listed.insert(place);
            }
            Event::Apply(secret) | Event::Delete(secret) => {
                let key = (secret.namespace().unwrap_or_default(), secret.name_any());
                if state.followed.contains(&key) {
                    self.announce(key);
                }
            }
        }
    }

    fn announce(&self, key: SecretKey) {
        // Fails only when the process ends.
        let _ = self.changed.send(key);
    }

    /// Ends the watch if nobody has subscribed to a Secret since the look before. Reports whether it did.
    fn end_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        let is_idle = state.followed.is_empty();
        if is_idle && state.was_idle {
            state.watch = None;
        }
        let ends = is_idle && state.was_idle;
        state.was_idle = is_idle;
        ends
    }
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use tokio::{task::yield_now, time::advance};

    use super::*;

    const CREDENTIALS: Option<(&str, &str)> = Some(("shop", "credentials"));

    type Opened = Arc<Mutex<Vec<UnboundedSender<(Place, Event<SecretMeta>)>>>>;

    /// Hands out the events of each watch that is opened.
    struct Watches {
        secrets: ForeignSecrets,
        changed: UnboundedReceiver<SecretKey>,
        opened: Opened,
    }

    impl Watches {
        fn new() -> Self {
            let opened = Arc::new(Mutex::new(Vec::new()));
            let senders = opened.clone();
            let (secrets, changed) = ForeignSecrets::with(
                move || {
                    let (sender, mut receiver) = unbounded_channel();
                    senders.lock().push(sender);
                    futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed()
                },
                Alarm::default(),
            );
            Self { secrets, changed, opened }
        }

        /// Sends events to the newest watch. Returns the names of the Secrets that are announced.
        async fn after(&mut self, events: impl IntoIterator<Item = Event<SecretMeta>>) -> Vec<String> {
            self.after_in(None, events).await
        }

        /// The same for the watch of one namespace.
        async fn after_in(
            &mut self,
            namespace: Option<&str>,
            events: impl IntoIterator<Item = Event<SecretMeta>>,
        ) -> Vec<String> {
            let sender = self.opened.lock().last().cloned();
            for event in events {
                sender.as_ref().expect("a watch").send((namespace.map(Into::into), event)).expect("an open watch");
            }
            settle().await;
            let mut names = Vec::new();
            while let Ok((namespace, name)) = self.changed.try_recv() {
                names.push(format!("{namespace}/{name}"));
            }
            names.sort();
            names
        }

        /// How many watches were opened, and how many of them are still open.
        fn count(&self) -> (usize, usize) {
            let opened = self.opened.lock();
            (opened.len(), opened.iter().filter(|sender| !sender.is_closed()).count())
        }
    }

    async fn settle() {
        for _ in 0..10 {
            yield_now().await;
        }
    }

    async fn pass(time: Duration) {
        // In steps, so that each look takes place.
        for _ in 0..time.as_secs() {
            advance(Duration::from_secs(1)).await;
            settle().await;
        }
    }

    fn secret(namespace: &str, name: &str) -> SecretMeta {
        let metadata =
            ObjectMeta { namespace: Some(namespace.into()), name: Some(name.into()), ..ObjectMeta::default() };
        SecretMeta { metadata, ..SecretMeta::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn one_watch_serves_all_and_what_nobody_follows_is_dropped() {
        let mut watches = Watches::new();
        assert_eq!(watches.count(), (0, 0), "nobody refers to a Secret");
        watches.secrets.follow("store", CREDENTIALS);
        watches.secrets.follow("object", Some(("shop", "merged")));
        let listed = [
            Event::Init,
            Event::InitApply(secret("shop", "credentials")),
            Event::InitApply(secret("shop", "other")),
            Event::InitDone,
        ];
        assert_eq!(watches.after(listed).await, ["shop/credentials", "shop/merged"]);
        let events = [
            Event::Apply(secret("shop", "merged")),
            Event::Apply(secret("shop", "other")),
            Event::Delete(secret("billing", "credentials")),
            Event::Delete(secret("shop", "credentials")),
        ];
        assert_eq!(watches.after(events).await, ["shop/credentials", "shop/merged"]);
        assert_eq!(watches.count(), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_is_followed_later_is_announced_once() {
        let mut watches = Watches::new();
        watches.secrets.follow("store", CREDENTIALS);
        watches.after([Event::Init]).await;
        watches.secrets.follow("early", Some(("shop", "early")));
        assert!(watches.after([]).await.is_empty(), "the end of the list announces it");
        assert_eq!(watches.after([Event::InitDone]).await, ["shop/credentials", "shop/early"]);
        watches.secrets.follow("late", Some(("shop", "late")));
        assert_eq!(watches.after([]).await, ["shop/late"]);
        watches.secrets.follow("late", Some(("shop", "late")));
        watches.secrets.follow("another", Some(("shop", "late")));
        assert!(watches.after([]).await.is_empty(), "every change of it is announced already");
    }

    #[tokio::test(start_paused = true)]
    async fn namespaces_with_watches_of_their_own_do_not_wait_for_each_other() {
        let mut watches = Watches::new();
        watches.secrets.follow("store", CREDENTIALS);
        watches.after_in(Some("billing"), [Event::Init]).await;
        assert_eq!(watches.after_in(Some("shop"), [Event::Init, Event::InitDone]).await, ["shop/credentials"]);
        watches.secrets.follow("late", Some(("shop", "late")));
        watches.secrets.follow("early", Some(("billing", "early")));
        assert_eq!(watches.after([]).await, ["shop/late"], "billing, which may be refused, has no list yet");
        assert_eq!(watches.after_in(Some("billing"), [Event::InitDone]).await, ["billing/early"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_starts_over_announces_every_secret_that_is_followed() {
        let mut watches = Watches::new();
        watches.secrets.follow("store", CREDENTIALS);
        watches.after([Event::Init, Event::InitDone]).await;
        assert_eq!(watches.after([Event::Init, Event::InitDone]).await, ["shop/credentials"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_ends_a_while_after_the_last_subscriber_has_left() {
        let mut watches = Watches::new();
        watches.secrets.follow("store", CREDENTIALS);
        watches.after([Event::Init, Event::InitDone]).await;
        for _ in 0..10 {
            pass(LINGER / 2).await;
            watches.secrets.follow("store", None);
            pass(LINGER / 2).await;
            watches.secrets.follow("store", CREDENTIALS);
        }
        assert_eq!(watches.count(), (1, 1), "it does not flap");
        assert_eq!(watches.after([]).await.len(), 10, "once for each time that it was followed again");
        pass(LINGER * 3).await;
        assert_eq!(watches.count(), (1, 1), "somebody refers to a Secret");
        watches.secrets.follow("store", None);
        pass(LINGER / 2).await;
        assert_eq!(watches.count(), (1, 1));
        pass(LINGER * 3 / 2).await;
        assert_eq!(watches.count(), (1, 0));
        watches.secrets.follow("store", CREDENTIALS);
        assert_eq!(watches.count(), (2, 1));
        assert_eq!(watches.after([Event::Init, Event::InitDone]).await, ["shop/credentials"]);
    }
}
