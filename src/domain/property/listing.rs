//! A path chooses what its globs say, and every chosen parameter has a key.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
};

use crate::{
    api::{KeyFormat, KeyMapping, PathSource, Reason},
    domain::{
        parameter::{
            path_query::{Children, Path},
            revision::Metadata,
        },
        plan::plan::Source,
        property::{
            check,
            glob::{GLOB_SEGMENTS, matches, path},
            parameter_ref,
        },
        report::fault::Fault,
        secret::key_name,
    },
};

const SEGMENTS: &[&str] = &["a", "b", "ab", "a.b", "a-b", "A_B", "a_b", "aab", "x"];
const UNUSUAL_SEGMENTS: &[&str] = &["..", ".", "a", "b", "..a"];
const ROOTS: &[&str] = &["/shop/", "/shop/", "/shop/", "/shop/a/", "/shop/a/", "/shopping/", "/x/shop/", "/"];

/// A path source, the parameters that exist, and the keys of other sources.
#[derive(Clone, Debug)]
struct Case {
    source: PathSource,
    mapping: Option<KeyMapping>,
    names: BTreeSet<String>,
    before: BTreeMap<String, Source>,
}

fn case() -> impl Strategy<Value = Case> {
    let glob = || {
        prop_oneof![
            path(GLOB_SEGMENTS, 4),
            select(&["**", "*/**", "**/a*", "?", "*b", "*"][..]).prop_map(str::to_owned)
        ]
    };
    let include = prop_oneof![Just(Vec::new()), vec(glob(), 0..4)];
    let exclude = prop_oneof![3 => Just(Vec::new()), 1 => vec(glob(), 0..3)];
    let recursive = select(&[None, Some(false), Some(true), Some(true), Some(true)][..]);
    let source = (select(&["/shop", "/shop/", "/shop", "/shop/a"][..]), recursive, include, exclude).prop_map(
        |(prefix, recursive, include, exclude)| PathSource {
            prefix: prefix.into(),
            recursive,
            include,
            exclude,
            label: None,
        },
    );
    let relative = prop_oneof![11 => path(SEGMENTS, 3), 1 => path(UNUSUAL_SEGMENTS, 3)];
    let name = (select(ROOTS), relative).prop_map(|(root, path)| root.to_owned() + &path);
    let format = select(&[None, Some(KeyFormat::Name), Some(KeyFormat::EnvVar), Some(KeyFormat::EnvVar)][..]);
    let prefix = select(&[None, None, Some("P_"), Some(".")][..]);
    let mapping =
        (format, prefix).prop_map(|(format, prefix)| KeyMapping { format, prefix: prefix.map(str::to_owned) });
    let before = any::<[bool; 2]>().prop_map(|[one, other]| {
        (one && other).then(|| ("a".to_owned(), Source::of(parameter_ref("/named")))).into_iter().collect()
    });
    (source, option::weighted(0.67, mapping), btree_set(name, 0..12), before)
        .prop_map(|(source, mapping, names, before)| Case { source, mapping, names, before })
}

impl Case {
    /// Model: the names that the path chooses, each with its key.
    fn chosen(&self) -> BTreeMap<&str, Option<String>> {
        let below = format!("{}/", self.source.prefix.trim_end_matches('/'));
        let chosen = self.names.iter().filter_map(|name| {
            let relative = name.strip_prefix(&below)?;
            let is_in_reach = self.source.recursive == Some(true) || !relative.contains('/');
            let any = |globs: &[String]| globs.iter().any(|glob| matches(glob, relative));
            let is_included = self.source.include.is_empty() || any(&self.source.include);
            let key = key_name::key(relative, self.mapping.as_ref());
            (is_in_reach && is_included && !any(&self.source.exclude)).then_some((name.as_str(), key))
        });
        chosen.collect()
    }

    fn expand(&self) -> Result<BTreeMap<String, Source>, Fault> {
        let children: BTreeMap<_, _> =
            self.names.iter().map(|name| (parameter_ref(name), Metadata::default())).collect();
        let mut keys = self.before.clone();
        let path = Path::new(0, &self.source, self.mapping.as_ref())?;
        path.expand(&Children::new(children), &mut keys).map(|()| keys)
    }

    fn check_keys(&self, chosen: &BTreeMap<&str, Option<String>>, keys: &BTreeMap<String, Source>) {
        assert!(!chosen.is_empty() && chosen.values().all(Option::is_some), "{chosen:?}");
        assert_eq!(keys.len(), chosen.len() + self.before.len(), "no two parameters share a key");
        let before = self.before.iter().map(|(key, source)| (source.parameter_ref.name.as_str(), Some(key.clone())));
        let expected: BTreeMap<_, _> = chosen.clone().into_iter().chain(before).collect();
        let found = keys.iter().map(|(key, source)| (source.parameter_ref.name.as_str(), Some(key.clone())));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), expected);
    }

    fn check_fault(&self, chosen: &BTreeMap<&str, Option<String>>, fault: &Fault) {
        let message = &fault.message;
        let key_of = |name: &str| {
            let before = self.before.iter().find(|(_, source)| source.parameter_ref.name == name);
            chosen.get(name).map_or_else(|| before.map(|(key, _)| key.as_str()), Option::as_deref)
        };
        match fault.reason {
            Reason::PathEmpty => assert!(chosen.is_empty(), "{message}"),
            Reason::InvalidSpec => {
                let name = message.split(' ').nth(1).expect("a name");
                assert_eq!(chosen.get(name), Some(&None), "{message}");
            }
            Reason::KeyCollision => {
                let rest = message.strip_prefix("Key ").and_then(|rest| rest.split_once(" comes from "));
                let (key, rest) = rest.expect("a key");
                let (one, other) = rest.split_once(';').and_then(|(names, _)| names.split_once(", ")).expect("names");
                assert_ne!(one, other, "{message}");
                assert_eq!((key_of(one), key_of(other)), (Some(key), Some(key)), "{message}");
            }
            other => unreachable!("{other:?}: {message}"),
        }
    }
}

#[test]
fn every_chosen_parameter_has_its_key_or_a_fault_says_why() {
    let results = RefCell::new(BTreeMap::new());
    check(1_000, case(), |case| {
        let (chosen, result) = (case.chosen(), case.expand());
        match &result {
            Ok(keys) => case.check_keys(&chosen, keys),
            Err(fault) => case.check_fault(&chosen, fault),
        }
        *results.borrow_mut().entry(result.err().map(|fault| fault.reason)).or_insert(0) += 1;
    });
    let results = results.into_inner();
    assert!(results.len() == 4 && results.values().all(|count| *count >= 10), "{results:?}");
}
