//! Which of the parameters that objects read stand for all of them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    controller::{
        preflight::objects::{Readers, authority},
        store::connections::StoreConnection,
    },
    domain::{
        parameter::{name::ParameterRef, path_query::PathQuery, revision::Versions},
        plan::types::LookupResult,
    },
};

/// Most parameters of a session whose versions are asked for: three calls.
const NAMES: usize = 30;
/// Most parameters of a session that are decrypted: one call.
const DECRYPTED: usize = 10;
/// Most paths of a session that are listed: a call each.
const PATHS: usize = 5;

/// What the objects of a namespace read.
pub(super) struct Names<'a> {
    readers: &'a Readers<'a>,
    all: BTreeSet<ParameterRef>,
    /// What may be read only if a certain key encrypts it. The operator finds that out first.
    with_key: BTreeSet<ParameterRef>,
}

/// Returns some of the paths that objects read, of each namespace in turn.
pub(super) fn paths(readers: &[Readers<'_>]) -> Vec<PathQuery> {
    let paths = readers.iter().map(|readers| {
        let paths = readers.plans.iter().flat_map(|(_, plan)| plan.paths());
        paths.map(|path| path.query.clone()).collect::<BTreeSet<_>>()
    });
    in_turn(paths.map(|paths| paths.into_iter().collect()).collect(), PATHS)
}

/// Returns what the objects read, as far as these answers tell.
pub(super) fn names<'a>(
    readers: &'a [Readers<'a>],
    found: &LookupResult,
    store: &str,
    connection: &StoreConnection,
) -> Vec<Names<'a>> {
    let names = |readers: &'a Readers<'a>| {
        let authority = authority(store, connection, readers.namespace, readers.grant.as_deref());
        let mut names = BTreeSet::new();
        for (_, plan) in &readers.plans {
            names.extend(plan.reads().into_keys().cloned());
            names.extend(plan.lookups().newest.into_keys());
            if let Ok(resolved) = plan.resolve(found, &authority) {
                names.extend(resolved.reads().into_keys().cloned());
            }
        }
        let with_key = names.iter().filter(|name| authority.needs_key(name)).cloned().collect();
        Names { readers, all: names, with_key }
    };
    readers.iter().map(names).collect()
}

/// Returns some names whose versions can be asked for without decryption, of each namespace in turn.
pub(super) fn versions(names: &[Names<'_>]) -> Vec<ParameterRef> {
    let plain = |names: &Names<'_>| names.all.iter().filter(|name| !name.is_reference()).cloned().collect();
    in_turn(names.iter().map(plain).collect(), NAMES)
}

/// Returns one encrypted parameter for each key that is known, and for each namespace with others.
pub(super) fn encrypted(names: &[Names<'_>], versions: &Versions) -> Vec<ParameterRef> {
    let (mut keys, mut chosen) = (BTreeSet::new(), Vec::new());
    for Names { readers, all, with_key } in names {
        let (known, mut has_unknown) = (known_keys(readers), false);
        for name in all.difference(with_key) {
            let metadata = versions.get(name).and_then(Option::as_ref);
            if metadata.is_none_or(|metadata| &*metadata.type_ != "SecureString") {
                continue;
            }
            let is_new = match known.get(&*name.arn) {
                Some(key) => keys.insert(*key),
                None => !std::mem::replace(&mut has_unknown, true),
            };
            chosen.extend(is_new.then(|| name.clone()));
        }
    }
    in_turn(vec![chosen], DECRYPTED)
}

/// Returns one secret of Secrets Manager for each namespace that reads some.
pub(super) fn references(names: &[Names<'_>]) -> Vec<ParameterRef> {
    let first = |names: &Names<'_>| names.all.difference(&names.with_key).find(|name| name.is_reference()).cloned();
    in_turn(vec![names.iter().filter_map(first).collect()], DECRYPTED)
}

/// Reports whether something may be read only if a certain key encrypts it.
pub(super) fn has_keys(names: &[Names<'_>]) -> bool {
    names.iter().any(|names| !names.with_key.is_empty())
}

/// Returns the keys that the status of the objects names, by ARN of the parameter.
fn known_keys<'a>(readers: &'a Readers<'_>) -> BTreeMap<&'a str, &'a str> {
    let statuses = readers.plans.iter().filter_map(|(object, _)| object.status.as_ref());
    let parameters = statuses.flat_map(|status| &status.parameters);
    parameters.filter_map(|parameter| Some((parameter.arn.as_str(), parameter.key_arn.as_deref()?))).collect()
}

/// Takes one of each list in turn, up to `most` different ones.
fn in_turn<T: Ord + Clone>(lists: Vec<Vec<T>>, most: usize) -> Vec<T> {
    let (mut lists, mut known, mut taken) =
        (lists.into_iter().map(Vec::into_iter).collect::<Vec<_>>(), BTreeSet::new(), Vec::new());
    while taken.len() < most && !lists.is_empty() {
        lists.retain_mut(|list| {
            let next = list.find(|item| known.insert(item.clone()));
            let is_left = next.is_some();
            taken.extend(next.filter(|_| taken.len() < most));
            is_left
        });
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_namespace_takes_the_place_of_the_others() {
        let lists = vec![vec![1, 2, 3, 4], vec![1, 5], vec![], vec![6]];
        assert_eq!(in_turn(lists.clone(), 4), [1, 5, 6, 2]);
        assert_eq!(in_turn(lists, 100), [1, 5, 6, 2, 3, 4]);
        assert!(in_turn(Vec::<Vec<u8>>::new(), 1).is_empty());
    }
}
