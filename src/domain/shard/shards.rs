//! An operator among the others that live. Of those that watch an object, the first in order handles it: one without a
//! selector comes before those with one, since it need not know the labels of its objects, and then the name of the Lease
//! decides. Each operator comes to the same conclusion by itself.

use std::sync::Arc;

use crate::domain::shard::part::{Labels, Part};

/// An operator, or several with one Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Name of the Lease.
    pub(crate) lease: String,
    /// What it watches.
    pub(crate) part: Part,
}

impl Shard {
    fn order(&self) -> (bool, &str) {
        (self.part.selector.is_some(), &self.lease)
    }
}

/// This operator, and the others that live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shards {
    /// This operator.
    pub(crate) own: Arc<Shard>,
    /// The others.
    pub(crate) others: Vec<Arc<Shard>>,
}

impl Shards {
    /// Returns the operator that handles an object instead of this one.
    pub(crate) fn handler(&self, namespace: &str, labels: &Labels) -> Option<&Shard> {
        self.before().find(|other| other.part.contains(namespace, labels))
    }

    /// Reports whether another operator than this one writes the status of stores in a namespace, or of the cluster's stores.
    pub(crate) fn leaves_stores(&self, namespace: Option<&str>) -> bool {
        self.before().any(|other| other.part.covers(namespace))
    }

    /// Returns another operator that watches an object too. An operator without a selector does not know the labels of its
    /// objects, and finds only others without one.
    pub(crate) fn rival(&self, namespace: &str, labels: &Labels) -> Option<&Arc<Shard>> {
        let knows = |other: &&Arc<Shard>| self.own.part.selector.is_some() || other.part.selector.is_none();
        self.others.iter().filter(knows).find(|other| other.part.contains(namespace, labels))
    }

    /// Returns whether this operator handles what it shares with another one.
    pub(crate) fn precedes(&self, other: &Shard) -> bool {
        self.own.order() < other.order()
    }

    fn before(&self) -> impl Iterator<Item = &Shard> {
        self.others.iter().map(|other| &**other).filter(|other| !self.precedes(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::shard::selector::WatchSelector;

    fn shard(lease: &str, selector: &str, namespaces: &[&str]) -> Arc<Shard> {
        let namespaces = (!namespaces.is_empty()).then(|| namespaces.iter().map(|name| (*name).to_owned()).collect());
        let part = Part { selector: WatchSelector::parse(selector).ok(), namespaces };
        Arc::new(Shard { lease: lease.to_owned(), part })
    }

    /// Each operator as it sees the others.
    fn views(all: &[Arc<Shard>]) -> Vec<Shards> {
        let others = |own: &Arc<Shard>| all.iter().filter(|other| *other != own).cloned().collect();
        all.iter().map(|own| Shards { own: own.clone(), others: others(own) }).collect()
    }

    fn labels(team: &str) -> Labels {
        [("team".to_owned(), team.to_owned())].into()
    }

    #[test]
    fn of_all_that_watch_an_object_exactly_one_handles_it() {
        let all = [
            shard("b", "team in (a,b)", &[]),
            shard("a", "team in (b,c)", &[]),
            shard("c", "team=b", &["shop"]),
            shard("z", "", &["billing"]),
        ];
        for (namespace, team, handler) in [
            ("shop", "a", Some("b")),
            ("shop", "b", Some("a")),
            ("shop", "c", Some("a")),
            ("shop", "d", None),
            ("billing", "b", Some("z")),
            ("billing", "d", Some("z")),
        ] {
            let watches = |shards: &&Shards| shards.own.part.contains(namespace, &labels(team));
            let views = views(&all);
            let watching: Vec<_> = views.iter().filter(watches).collect();
            let handling = watching.iter().filter(|shards| shards.handler(namespace, &labels(team)).is_none());
            let handling: Vec<_> = handling.map(|shards| shards.own.lease.as_str()).collect();
            assert_eq!(handling, handler.into_iter().collect::<Vec<_>>(), "{namespace} {team}");
            let is_shared = watching.len() > 1;
            for shards in watching.iter().filter(|shards| shards.own.part.selector.is_some()) {
                assert_eq!(shards.rival(namespace, &labels(team)).is_some(), is_shared, "{namespace} {team}");
            }
        }
    }

    #[test]
    fn one_operator_writes_the_status_of_a_store() {
        let all = [shard("b", "team=a", &[]), shard("a", "team=b", &[]), shard("z", "", &["billing"])];
        for (namespace, writer) in [(None, "a"), (Some("shop"), "a"), (Some("billing"), "z")] {
            let works = |shards: &&Shards| shards.own.part.covers(namespace) && !shards.leaves_stores(namespace);
            let writers: Vec<_> = views(&all).iter().filter(works).map(|shards| shards.own.lease.clone()).collect();
            assert_eq!(writers, [writer], "{namespace:?}");
        }
    }

    #[test]
    fn an_operator_without_a_selector_counts_only_what_it_knows() {
        let (whole, part) = (shard("whole", "", &[]), shard("a", "!team", &[]));
        let shards = Shards { own: whole.clone(), others: vec![part.clone()] };
        assert!(shards.rival("shop", &Labels::new()).is_none() && shards.precedes(&part));
        let shards = Shards { own: shard("another", "", &[]), others: vec![part, whole.clone()] };
        assert_eq!(shards.rival("shop", &Labels::new()), Some(&whole));
    }
}
