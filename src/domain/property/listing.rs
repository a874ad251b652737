//! What a path chooses, and that no parameter is lost on the way to its key.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::property::{
    glob::{glob, matches, path},
    parameter_ref,
};
use crate::{
    api::{KeyMapping, KeyStyle, Reason},
    domain::{
        Fault,
        parameter::{
            path_query::{Children, PathQuery},
            revision::Metadata,
        },
        plan::{
            name_filter::NameFilter,
            types::{PathSource, Place},
        },
        secret::key_name,
    },
    random::Random,
};

const SEGMENTS: &[&str] = &["a", "b", "ab", "a.b", "a-b", "A_B", "a_b", "aab", "x"];
const ODD: &[&str] = &["..", ".", "a", "b", "..a"];

/// A case: what is asked, and what there is.
struct Case {
    path: String,
    recursive: bool,
    include: Vec<String>,
    exclude: Vec<String>,
    mapping: Option<KeyMapping>,
    names: BTreeSet<String>,
}

impl Case {
    fn new(random: &mut Random) -> Self {
        let some = |random: &mut Random| match random.below(2) {
            0 => glob(random),
            _ => random.of(&["**", "*/**", "**/a*", "?", "*b", "*"]).to_owned(),
        };
        let globs = |random: &mut Random, most| (0..random.below(most)).map(|_| some(random)).collect();
        let path_of = random.of(&["/shop", "/shop", "/shop/a"]).to_owned();
        let recursive = random.of(&[false, true, true, true]);
        let include = if random.one_in(2) { globs(random, 4) } else { Vec::new() };
        let exclude = if random.one_in(4) { globs(random, 3) } else { Vec::new() };
        let names = (0..random.below(12)).map(|_| {
            let root =
                random.of(&["/shop/", "/shop/", "/shop/", "/shop/a/", "/shop/a/", "/shopping/", "/x/shop/", "/"]);
            let segments = if random.one_in(12) { ODD } else { SEGMENTS };
            root.to_owned() + &path(random, segments, 3)
        });
        let names = names.collect();
        let prefix = random.of(&[None, None, Some("P_"), Some(".")]).map(str::to_owned);
        let style = random.of(&[None, Some(KeyStyle::AsIs), Some(KeyStyle::EnvVar), Some(KeyStyle::EnvVar)]);
        let mapping = (!random.one_in(3)).then_some(KeyMapping { style, prefix });
        Self { path: path_of, recursive, include, exclude, mapping, names }
    }

    /// What the path is to choose: names, and the keys that they become.
    fn chosen(&self) -> BTreeMap<&str, Option<String>> {
        let below = format!("{}/", self.path);
        let chosen = self.names.iter().filter_map(|name| {
            let relative = name.strip_prefix(&below)?;
            let is_near = self.recursive || !relative.contains('/');
            let any = |globs: &[String]| globs.iter().any(|glob| matches(glob, relative));
            let is_included = self.include.is_empty() || any(&self.include);
            let key = key_name::key(relative, self.mapping.as_ref());
            (is_near && is_included && !any(&self.exclude)).then_some((name.as_str(), key))
        });
        chosen.collect()
    }

    fn expand(&self) -> Result<BTreeMap<String, String>, Fault> {
        let children: BTreeMap<_, _> =
            self.names.iter().map(|name| (parameter_ref(name), Metadata::default())).collect();
        let path = PathSource {
            place: Place::DataFrom(0),
            query: PathQuery { path: self.path.clone(), recursive: self.recursive, label: None },
            filter: NameFilter::new(&self.include, &self.exclude).expect("valid globs"),
            mapping: self.mapping.clone(),
            optional: false,
        };
        let keys = path.expand(&Children::new(children))?;
        Ok(keys.into_iter().map(|key| (key.key, key.source.parameter_ref.name)).collect())
    }

    /// Whether something stands in the way of a key each.
    fn is_hindered(&self, chosen: &BTreeMap<&str, Option<String>>) -> bool {
        let keys: BTreeSet<_> = chosen.values().flatten().collect();
        chosen.is_empty() || keys.len() < chosen.len()
    }

    fn check_keys(&self, chosen: &BTreeMap<&str, Option<String>>, keys: &BTreeMap<String, String>) {
        assert!(!self.is_hindered(chosen), "{chosen:?}: {:?}", keys.keys());
        let expected = chosen.iter().map(|(name, key)| (key.clone().unwrap_or_default(), (*name).to_owned()));
        assert_eq!(*keys, expected.collect::<BTreeMap<_, _>>());
    }

    fn check_fault(chosen: &BTreeMap<&str, Option<String>>, fault: &Fault) {
        let message = &fault.message;
        let key_of = |name: &str| chosen.get(name).and_then(Option::as_deref);
        match fault.reason {
            Reason::PathEmpty => assert!(chosen.is_empty(), "{message}: {chosen:?}"),
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
fn every_chosen_parameter_has_its_key_or_the_fault_says_why() {
    let random = &mut Random::new(5);
    let (mut expanded, mut faults) = (0, BTreeMap::new());
    for _ in 0..1_000 {
        let case = Case::new(random);
        let chosen = case.chosen();
        match case.expand() {
            Ok(keys) => {
                case.check_keys(&chosen, &keys);
                expanded += 1;
            }
            Err(fault) => {
                Case::check_fault(&chosen, &fault);
                *faults.entry(fault.reason).or_insert(0) += 1;
            }
        }
    }
    assert!(expanded > 300 && faults.len() == 3 && faults.values().all(|count| *count >= 15), "{expanded} {faults:?}");
}
