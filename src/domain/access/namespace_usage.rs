//! What a namespace uses in total, and what it may use at most. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{BuildHasher, Hash, RandomState},
};

use crate::{api::Reason, domain::Fault};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamespaceLimit {
    /// Distinct parameters that its objects read.
    Parameters,
    /// Distinct paths that its objects read.
    Paths,
    /// Distinct Secrets that its objects and stores refer to and that the operator does not own.
    ForeignSecrets,
    /// Its `ParameterStore`s.
    Stores,
}

impl NamespaceLimit {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Parameters, Self::Paths, Self::ForeignSecrets, Self::Stores];

    /// The label of the metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::Paths => "paths",
            Self::ForeignSecrets => "foreign-secrets",
            Self::Stores => "stores",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::Paths => "paths",
            Self::ForeignSecrets => "Secrets that the operator does not own",
            Self::Stores => "stores",
        }
    }
}

/// The most that each namespace may use.
#[derive(Clone, Copy, Debug)]
pub struct NamespaceLimits {
    /// Distinct parameters.
    pub parameters: usize,
    /// Distinct paths.
    pub paths: usize,
    /// Distinct Secrets that the operator does not own.
    pub foreign_secrets: usize,
    /// Stores.
    pub stores: usize,
}

impl NamespaceLimits {
    const fn of(self, limit: NamespaceLimit) -> usize {
        match limit {
            NamespaceLimit::Parameters => self.parameters,
            NamespaceLimit::Paths => self.paths,
            NamespaceLimit::ForeignSecrets => self.foreign_secrets,
            NamespaceLimit::Stores => self.stores,
        }
    }
}

/// What all namespaces use. Items are remembered as digests, which are comparable within one process only.
#[derive(Debug)]
pub(crate) struct NamespaceUsage {
    limits: NamespaceLimits,
    digest: RandomState,
    namespaces: HashMap<(String, NamespaceLimit), Usage>,
}

/// What one namespace uses of one kind.
#[derive(Debug, Default)]
struct Usage {
    /// The items of each object or store, in order, by the digest of its uid.
    owners: HashMap<u64, Box<[u64]>>,
    /// How many of them use each item.
    items: HashMap<u64, usize>,
    /// The uids of those that were refused.
    refused: BTreeSet<String>,
}

impl NamespaceUsage {
    /// Nothing is used yet.
    pub(crate) fn new(limits: NamespaceLimits) -> Self {
        Self { limits, digest: RandomState::new(), namespaces: HashMap::new() }
    }

    /// Makes an object or store use exactly these items.
    ///
    /// # Errors
    /// `NamespaceLimitReached` if its namespace would use too many. The object then uses none.
    pub(crate) fn claim<I: Hash>(
        &mut self,
        namespace: &str,
        uid: &str,
        limit: NamespaceLimit,
        items: impl Iterator<Item = I>,
    ) -> Result<(), Fault> {
        let items: BTreeSet<_> = items.map(|item| self.digest.hash_one(item)).collect();
        let (items, owner): (Box<[_]>, _) = (items.into_iter().collect(), self.digest.hash_one(uid));
        let most = self.limits.of(limit);
        let key = (namespace.to_owned(), limit);
        if items.is_empty() && !self.namespaces.contains_key(&key) {
            return Ok(());
        }
        let usage = self.namespaces.entry(key).or_default();
        if usage.owners.get(&owner) == Some(&items) {
            return Ok(());
        }
        usage.remove(uid, owner);
        let additional = items.iter().filter(|item| !usage.items.contains_key(item)).count();
        if usage.items.len() + additional > most {
            let used = usage.items.len();
            usage.refused.insert(uid.to_owned());
            return Err(refusal(namespace, limit, (used, additional, most)));
        }
        usage.add(owner, items);
        self.drop_unused(namespace, limit);
        Ok(())
    }

    /// Forgets what an object or store of this namespace uses of one kind.
    pub(crate) fn release(&mut self, namespace: &str, uid: &str, limit: NamespaceLimit) {
        if let Some(usage) = self.namespaces.get_mut(&(namespace.to_owned(), limit)) {
            usage.remove(uid, self.digest.hash_one(uid));
            self.drop_unused(namespace, limit);
        }
    }

    /// Returns, for each limit, in how many namespaces somebody is refused because of it.
    pub(crate) fn reached(&self) -> BTreeMap<NamespaceLimit, usize> {
        let mut reached = BTreeMap::new();
        for ((_, limit), _) in self.namespaces.iter().filter(|(_, usage)| !usage.refused.is_empty()) {
            *reached.entry(*limit).or_default() += 1;
        }
        reached
    }

    fn drop_unused(&mut self, namespace: &str, limit: NamespaceLimit) {
        let key = (namespace.to_owned(), limit);
        if self.namespaces.get(&key).is_some_and(Usage::is_empty) {
            self.namespaces.remove(&key);
        }
    }
}

impl Usage {
    fn add(&mut self, owner: u64, items: Box<[u64]>) {
        for item in &items {
            *self.items.entry(*item).or_default() += 1;
        }
        if !items.is_empty() {
            self.owners.insert(owner, items);
        }
    }

    fn remove(&mut self, uid: &str, owner: u64) {
        self.refused.remove(uid);
        for item in self.owners.remove(&owner).unwrap_or_default() {
            if let Some(users) = self.items.get_mut(&item) {
                *users -= 1;
                if *users == 0 {
                    self.items.remove(&item);
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.owners.is_empty() && self.refused.is_empty()
    }
}

fn refusal(namespace: &str, limit: NamespaceLimit, (used, additional, most): (usize, usize, usize)) -> Fault {
    let what = limit.description();
    let flag = format!("--max-{}-per-namespace", limit.as_str());
    let message = format!(
        "Namespace {namespace} would use {} {what}, and the operator allows {most}; remove some, or ask whoever runs the \
         operator to raise {flag}.",
        used + additional
    );
    Fault::new(Reason::NamespaceLimitReached, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: NamespaceLimits = NamespaceLimits { parameters: 3, paths: 1, foreign_secrets: 1, stores: 1 };

    fn claim(usage: &mut NamespaceUsage, uid: &str, items: &[&str]) -> bool {
        usage.claim("shop", uid, NamespaceLimit::Parameters, items.iter()).is_ok()
    }

    #[test]
    fn distinct_items_of_all_objects_of_a_namespace_count() {
        let mut usage = NamespaceUsage::new(LIMITS);
        assert!(claim(&mut usage, "a", &["1", "2"]) && claim(&mut usage, "b", &["2", "3"]));
        assert!(!claim(&mut usage, "c", &["3", "4"]));
        assert_eq!(usage.reached(), [(NamespaceLimit::Parameters, 1)].into());
        assert!(usage.claim("other", "c", NamespaceLimit::Parameters, ["3", "4"].iter()).is_ok(), "another namespace");
        assert!(usage.claim("shop", "c", NamespaceLimit::Paths, ["3"].iter()).is_ok(), "another limit");
        usage.release("shop", "a", NamespaceLimit::Parameters);
        assert!(claim(&mut usage, "c", &["3", "4"]));
        assert!(usage.reached().is_empty());
    }

    #[test]
    fn an_object_that_changes_uses_the_new_items_alone() {
        let mut usage = NamespaceUsage::new(LIMITS);
        assert!(claim(&mut usage, "a", &["1", "2", "3"]) && claim(&mut usage, "a", &["4", "5", "6"]));
        assert!(!claim(&mut usage, "a", &["1", "2", "3", "4"]));
        assert!(claim(&mut usage, "b", &["7", "8", "9"]), "who is refused uses nothing");
    }

    #[test]
    fn nothing_is_left_of_those_that_are_gone() {
        let mut usage = NamespaceUsage::new(LIMITS);
        for uid in ["a", "b", "c"] {
            claim(&mut usage, uid, &["1", "2", uid]);
        }
        for uid in ["a", "b", "c", "d"] {
            usage.release("shop", uid, NamespaceLimit::Parameters);
        }
        assert!(usage.namespaces.is_empty(), "{usage:?}");
    }

    #[test]
    fn the_message_says_what_to_do() {
        let mut usage = NamespaceUsage::new(LIMITS);
        let refused = usage.claim("shop", "a", NamespaceLimit::Paths, ["/a", "/b"].iter()).expect_err("too many");
        assert_eq!(
            refused.message,
            "Namespace shop would use 2 paths, and the operator allows 1; remove some, or ask whoever runs the operator to \
             raise --max-paths-per-namespace."
        );
    }
}
