//! The names that were never looked at: after a start, all of them. Pure.
//!
//! They are not asked for all at once, so that what is likelier to have changed goes first even if its object was
//! reconciled late, and few checks are in memory. Namespaces take turns, and in a namespace go first the names of which no
//! status knows a version, and then those that were written most recently: what changed lately is likely to change again.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Bound,
};

use crate::api::SharedText;
use crate::domain::parameter::name::ParameterRef;
use crate::parameters::cache::{subscription::Subscriber, version_order::VersionAge};

/// Most names that are asked for at a time: ten calls.
const MAX_RUNNING: usize = 100;

/// The version that a status knows, so that names sort in the order in which they are looked at.
type Known = Option<Reverse<VersionAge>>;

/// The names that were never looked at.
#[derive(Debug, Default)]
pub(crate) struct FirstLooks {
    namespaces: BTreeMap<SharedText, BTreeSet<(Known, ParameterRef)>>,
    /// The names that wait, each with the object whose namespace it waits in.
    waiting: HashMap<ParameterRef, (Subscriber, Known)>,
    /// The names that were asked for, and of which nothing is known yet.
    running: HashSet<ParameterRef>,
    /// The namespace that had the last turn.
    last: SharedText,
}

impl FirstLooks {
    /// Adds a name on behalf of an object, unless it waits already or is asked for.
    pub(crate) fn add(&mut self, name: &ParameterRef, object: &Subscriber) {
        if !self.waiting.contains_key(name) && !self.running.contains(name) {
            self.insert(name, object, None);
        }
    }

    /// Notes the version that a status knows of a name.
    pub(crate) fn remember(&mut self, name: &ParameterRef, age: VersionAge) {
        if let Some((object, _)) = self.remove_waiting(name) {
            self.insert(name, &object, Some(Reverse(age)));
        }
    }

    /// Removes a name that was looked at, or that nobody needs.
    pub(crate) fn remove(&mut self, name: &ParameterRef) {
        self.running.remove(name);
        self.remove_waiting(name);
    }

    /// Ends the look at a name, whatever came of it.
    pub(crate) fn end(&mut self, name: &ParameterRef) {
        self.running.remove(name);
    }

    /// Takes the names to look at now.
    pub(crate) fn take(&mut self) -> Vec<ParameterRef> {
        let mut taken = Vec::new();
        while self.has_due()
            && let Some(name) = self.take_next()
        {
            self.running.insert(name.clone());
            taken.push(name);
        }
        taken
    }

    /// Reports whether there are names to look at now.
    pub(crate) fn has_due(&self) -> bool {
        !self.waiting.is_empty() && self.running.len() < MAX_RUNNING
    }

    fn take_next(&mut self) -> Option<ParameterRef> {
        let others = (Bound::Excluded(&self.last), Bound::Unbounded);
        let next = self.namespaces.range(others).next().or_else(|| self.namespaces.first_key_value());
        let (namespace, names) = next?;
        let name = names.first()?.1.clone();
        self.last.clone_from(namespace);
        self.remove_waiting(&name);
        Some(name)
    }

    fn insert(&mut self, name: &ParameterRef, object: &Subscriber, known: Known) {
        self.namespaces.entry(object.namespace.clone()).or_default().insert((known, name.clone()));
        self.waiting.insert(name.clone(), (object.clone(), known));
    }

    fn remove_waiting(&mut self, name: &ParameterRef) -> Option<(Subscriber, Known)> {
        let (object, known) = self.waiting.remove(name)?;
        if let Some(names) = self.namespaces.get_mut(&object.namespace) {
            names.remove(&(known, name.clone()));
            if names.is_empty() {
                self.namespaces.remove(&object.namespace);
            }
        }
        Some((object, known))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::parameters::{
        cache::subscription::SubscriberKey,
        testing::names::{object, parameter_ref},
    };

    fn add(looks: &mut FirstLooks, namespace: &str, name: &str, written: Option<i64>) {
        let name = parameter_ref(name);
        looks.add(&name, &SubscriberKey::of(&object(namespace, "object")));
        if let Some(second) = written {
            looks.remember(&name, VersionAge::new(1, Timestamp::from_second(second).ok()));
        }
    }

    fn taken(looks: &mut FirstLooks) -> Vec<String> {
        looks.take().iter().map(ParameterRef::request_name).collect()
    }

    #[test]
    fn what_is_unknown_goes_first_and_then_what_was_written_last() {
        let mut looks = FirstLooks::default();
        for (name, written) in [("/old", Some(1)), ("/new", Some(3)), ("/unknown", None), ("/between", Some(2))] {
            add(&mut looks, "shop", name, written);
        }
        assert_eq!(taken(&mut looks), ["/unknown", "/new", "/between", "/old"]);
    }

    #[test]
    fn namespaces_take_turns() {
        let mut looks = FirstLooks::default();
        for number in 0..1_000 {
            add(&mut looks, "busy", &format!("/busy/{number}"), Some(100));
        }
        for number in 0..3 {
            add(&mut looks, "quiet", &format!("/quiet/{number}"), Some(1));
            add(&mut looks, "also-quiet", &format!("/also/{number}"), Some(1));
        }
        let first = taken(&mut looks);
        assert_eq!(first.len(), 100);
        assert_eq!(first[..9].iter().filter(|name| name.starts_with("/busy")).count(), 3, "{first:?}");
    }

    #[test]
    fn a_hundred_are_asked_for_at_a_time_and_each_once() {
        let mut looks = FirstLooks::default();
        let names: Vec<_> = (0..250).map(|number| format!("/{number}")).collect();
        let add_all = |looks: &mut FirstLooks| {
            for name in &names {
                add(looks, "shop", name, None);
            }
        };
        add_all(&mut looks);
        let first = looks.take();
        assert_eq!((first.len(), looks.has_due()), (100, false));
        add_all(&mut looks);
        first[..10].iter().for_each(|name| looks.end(name));
        assert_eq!(looks.take().len(), 10, "ten have ended");
        first[10..].iter().for_each(|name| looks.remove(name));
        assert_eq!(looks.take().len(), 90);
        looks.running.clear();
        assert_eq!(looks.take().len(), 50, "each once");
        assert!(!looks.has_due() && looks.namespaces.is_empty());
    }
}
