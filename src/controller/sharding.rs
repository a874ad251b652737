//! Works on what no other operator handles, and says so where two watch the same objects.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream::BoxStream};
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use tokio::time::{Instant, sleep_until};

use crate::controller::{context::Context, index::StoreKey};
use crate::{
    api::SecureParameter,
    domain::{
        schedule::uptime::Uptime,
        shard::{
            part::Labels,
            roster::Roster,
            shards::{Shard, Shards},
        },
    },
    kubernetes::other_leases::Sighting,
};

/// Interval at which objects are looked for that another operator watches too.
const LOOK: Duration = Duration::from_secs(10);

/// Time between two warnings.
const REPEAT: Duration = Duration::from_secs(60);

/// Objects that another operator watches too.
#[derive(Debug, Default)]
pub(crate) struct Overlap {
    /// Their number.
    pub(crate) count: usize,
    /// One of them, and the other operator.
    example: Option<(String, Arc<Shard>)>,
}

/// Reports whether another operator handles an object.
pub(crate) fn is_left(object: &SecureParameter, context: &Context) -> bool {
    is_left_by(&context.shards.living(), object)
}

fn is_left_by(shards: &Shards, object: &SecureParameter) -> bool {
    let (namespace, labels) = place(object);
    shards.handler(namespace, labels).is_some()
}

fn place(object: &SecureParameter) -> (&str, &Labels) {
    (object.metadata.namespace.as_deref().unwrap_or_default(), object.labels())
}

/// Follows the other operators, for as long as the process runs: queues what changes hands, and warns of what two watch.
pub(crate) async fn follow(mut sightings: BoxStream<'static, Sighting>, context: Arc<Context>) {
    let mut roster = Roster::new(context.shards.living().own.clone());
    let (origin, mut warned_at) = (Instant::now(), None::<Instant>);
    let (mut look_at, mut is_known) = (origin, false);
    loop {
        let end = roster.next_end(origin.elapsed()).map(|end| origin + end);
        let wake = end.unwrap_or(look_at).min(look_at);
        tokio::select! {
            sighting = sightings.next() => match sighting {
                Some(sighting) => is_known |= saw(sighting, &mut roster, origin.elapsed()),
                None => return,
            },
            () = sleep_until(wake) => {}
        }
        let changes = change_hands(roster.living(origin.elapsed()), &context);
        if is_known {
            context.shards.is_known();
        }
        if changes || look_at <= Instant::now() {
            look_at = Instant::now() + LOOK;
            let is_time = warned_at.is_none_or(|at| at.elapsed() >= REPEAT);
            if is_time && context.leadership.check().is_ok() && warn(&context) {
                warned_at = Some(Instant::now());
            }
        }
    }
}

/// Reports whether all other operators are known now, or will never be.
fn saw(sighting: Sighting, roster: &mut Roster, now: Uptime) -> bool {
    match sighting {
        Sighting::Lease(name, lease) => roster.saw(&name, lease, now),
        Sighting::Deleted(name) => roster.deleted(&name, now),
        Sighting::Listed(names) => {
            roster.listed(&names, now);
            return true;
        }
        Sighting::Refused => return true,
    }
    false
}

/// Queues the objects that another operator begins or ceases to handle, and the stores whose status it does. Reports whether
/// other operators live than before.
fn change_hands(living: Shards, context: &Context) -> bool {
    if *context.shards.living() == living {
        return false;
    }
    let before = context.shards.set(living);
    let now = context.shards.living();
    let objects = context.caches.objects.state();
    for object in objects.iter().filter(|object| is_left_by(&before, object) != is_left_by(&now, object)) {
        context.queues.add_object(ObjectRef::from_obj(&**object));
    }
    let cluster_stores = context.caches.cluster_stores.state();
    let stores = context.caches.stores.state();
    let keys = cluster_stores.iter().map(|store| StoreKey::cluster(store));
    let keys = keys.chain(stores.iter().map(|store| StoreKey::namespaced(store)));
    let leaves = |shards: &Shards, key: &StoreKey| shards.leaves_stores(key.namespace.as_deref());
    keys.filter(|key| leaves(&before, key) != leaves(&now, key)).for_each(|key| context.queues.add_store(key));
    true
}

/// Finds the objects that another operator watches too.
pub(crate) fn overlap(context: &Context) -> Overlap {
    let (shards, mut overlap) = (context.shards.living(), Overlap::default());
    if shards.others.is_empty() {
        return overlap;
    }
    for object in context.caches.objects.state() {
        let (namespace, labels) = place(&object);
        if let Some(rival) = shards.rival(namespace, labels) {
            overlap.count += 1;
            overlap.example.get_or_insert_with(|| (format!("{namespace}/{}", object.name_any()), rival.clone()));
        }
    }
    overlap
}

/// Warns of objects that another operator watches too. Reports whether there are any.
fn warn(context: &Context) -> bool {
    let shards = context.shards.living();
    let Overlap { count, example } = overlap(context);
    if let Some((example, other)) = example {
        let handler = if shards.precedes(&other) {
            "this one handles them and that one leaves them alone"
        } else {
            "that one handles them and this one leaves them alone"
        };
        tracing::warn!(
            "The operator with the Lease {} ({}) watches {count} of the SecureParameters of this one ({}) too, such as \
             {example}; {handler}. Give them selectors that have nothing in common.",
            other.lease,
            selector(&other),
            selector(&shards.own)
        );
        return true;
    }
    // An operator without a selector does not know the labels of its objects.
    let Some(other) = shards.others.iter().find(|other| is_within(&shards.own, other)) else { return false };
    tracing::warn!(
        "The operator with the Lease {} ({}) watches only SecureParameters that this one, which has no --watch-selector, \
         handles; give this one a selector too, or stop that one.",
        other.lease,
        selector(other)
    );
    true
}

/// Reports whether an operator with a selector works where one without a selector does.
fn is_within(own: &Shard, other: &Shard) -> bool {
    let shares_namespaces = match (&own.part.namespaces, &other.part.namespaces) {
        (Some(own), Some(other)) => !own.is_disjoint(other),
        _ => true,
    };
    own.part.selector.is_none() && other.part.selector.is_some() && shares_namespaces
}

fn selector(shard: &Shard) -> String {
    match &shard.part.selector {
        Some(selector) => format!("--watch-selector '{selector}'"),
        None => "without --watch-selector".to_owned(),
    }
}
