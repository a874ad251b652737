//! A path chooses what its globs say, and every chosen parameter has a key.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::{Just, Strategy, prop_oneof},
    sample::select,
};

use crate::{
    api::{KeyMapping, KeyStyle, Reason},
    domain::{
        parameter::{
            path_query::{Children, PathQuery},
            revision::Metadata,
        },
        plan::{
            name_filter::NameFilter,
            types::{PathSource, Place},
        },
        property_tests::{
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

/// A path source, and the parameters that exist.
#[derive(Clone, Debug)]
struct Case {
    path: &'static str,
    recursive: bool,
    include: Vec<String>,
    exclude: Vec<String>,
    mapping: Option<KeyMapping>,
    names: BTreeSet<String>,
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
    let recursive = select(&[false, false, true, true, true][..]);
    let source = (select(&["/shop", "/shop", "/shop/a"][..]), recursive, include, exclude);
    let relative = prop_oneof![11 => path(SEGMENTS, 3), 1 => path(UNUSUAL_SEGMENTS, 3)];
    let name = (select(ROOTS), relative).prop_map(|(root, path)| root.to_owned() + &path);
    let style = select(&[None, Some(KeyStyle::AsIs), Some(KeyStyle::EnvVar), Some(KeyStyle::EnvVar)][..]);
    let prefix = select(&[None, None, Some("P_"), Some(".")][..]);
    let mapping = (style, prefix).prop_map(|(style, prefix)| KeyMapping { style, prefix: prefix.map(str::to_owned) });
    (source, option::weighted(0.67, mapping), btree_set(name, 0..12)).prop_map(
        |((path, recursive, include, exclude), mapping, names)| Case {
            path,
            recursive,
            include,
            exclude,
            mapping,
            names,
        },
    )
}

impl Case {
    /// Model: the names that the path chooses, each with its key.
    fn chosen(&self) -> BTreeMap<&str, Option<String>> {
        let below = format!("{}/", self.path);
        let chosen = self.names.iter().filter_map(|name| {
            let relative = name.strip_prefix(&below)?;
            let is_in_reach = self.recursive || !relative.contains('/');
            let any = |globs: &[String]| globs.iter().any(|glob| matches(glob, relative));
            let is_included = self.include.is_empty() || any(&self.include);
            let key = key_name::key(relative, self.mapping.as_ref());
            (is_in_reach && is_included && !any(&self.exclude)).then_some((name.as_str(), key))
        });
        chosen.collect()
    }

    fn expand(&self) -> Result<BTreeMap<String, String>, Fault> {
        let children: BTreeMap<_, _> =
            self.names.iter().map(|name| (parameter_ref(name), Metadata::default())).collect();
        let path = PathSource {
            place: Place::DataFrom(0),
            query: PathQuery { path: self.path.into(), recursive: self.recursive, label: None },
            filter: NameFilter::new(&self.include, &self.exclude).expect("valid globs"),
            mapping: self.mapping.clone(),
            optional: false,
        };
        let keys = path.expand(&Children::new(children))?;
        Ok(keys.into_iter().map(|key| (key.key, key.source.parameter_ref.name().to_string())).collect())
    }

    fn check_keys(chosen: &BTreeMap<&str, Option<String>>, keys: &BTreeMap<String, String>) {
        assert!(!chosen.is_empty() && chosen.values().all(Option::is_some), "{chosen:?}");
        assert_eq!(keys.len(), chosen.len(), "no two parameters share a key");
        let found = keys.iter().map(|(key, name)| (name.as_str(), Some(key.clone())));
        assert_eq!(found.collect::<BTreeMap<_, _>>(), *chosen);
    }

    fn check_fault(chosen: &BTreeMap<&str, Option<String>>, fault: &Fault) {
        let message = &fault.message;
        let key_of = |name: &str| chosen.get(name).and_then(Option::as_deref);
        match fault.reason {
            Reason::PathEmpty => assert!(chosen.is_empty(), "{message}"),
            Reason::InvalidSpec => {
                let name = message.split(' ').nth(4).expect("a name");
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
            Ok(keys) => Case::check_keys(&chosen, keys),
            Err(fault) => Case::check_fault(&chosen, fault),
        }
        *results.borrow_mut().entry(result.err().map(|fault| fault.reason)).or_insert(0) += 1;
    });
    let results = results.into_inner();
    assert!(results.len() == 4 && results.values().all(|count| *count >= 10), "{results:?}");
}
