//! What a path chooses, and that no parameter is lost on the way to its key.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::property::{
    glob::{glob, matches, path},
    parameter_ref,
};
use crate::{
    api::{KeyFormat, KeyMapping, PathSource, Reason},
    domain::{
        Fault,
        parameter::{
            path_query::{Children, Path},
            revision::Metadata,
        },
        plan::plan::Source,
        secret::key_name,
    },
    random::Random,
};

const SEGMENTS: &[&str] = &["a", "b", "ab", "a.b", "a-b", "A_B", "a_b", "aab", "x"];
const ODD: &[&str] = &["..", ".", "a", "b", "..a"];

/// A case: what is asked, and what there is.
struct Case {
    source: PathSource,
    mapping: Option<KeyMapping>,
    names: BTreeSet<String>,
    before: BTreeMap<String, Source>,
}

impl Case {
    fn new(random: &mut Random) -> Self {
        let some = |random: &mut Random| match random.below(2) {
            0 => glob(random),
            _ => random.of(&["**", "*/**", "**/a*", "?", "*b", "*"]).to_owned(),
        };
        let globs = |random: &mut Random, most| (0..random.below(most)).map(|_| some(random)).collect();
        let source = PathSource {
            prefix: random.of(&["/shop", "/shop/", "/shop", "/shop/a"]).into(),
            recursive: random.of(&[None, Some(false), Some(true), Some(true), Some(true)]),
            include: if random.one_in(2) { globs(random, 4) } else { Vec::new() },
            exclude: if random.one_in(4) { globs(random, 3) } else { Vec::new() },
            label: None,
        };
        let names = (0..random.below(12)).map(|_| {
            let root =
                random.of(&["/shop/", "/shop/", "/shop/", "/shop/a/", "/shop/a/", "/shopping/", "/x/shop/", "/"]);
            let segments = if random.one_in(12) { ODD } else { SEGMENTS };
            root.to_owned() + &path(random, segments, 3)
        });
        let names = names.collect();
        let prefix = random.of(&[None, None, Some("P_"), Some(".")]).map(str::to_owned);
        let format = random.of(&[None, Some(KeyFormat::Name), Some(KeyFormat::EnvVar), Some(KeyFormat::EnvVar)]);
        let mapping = (!random.one_in(3)).then_some(KeyMapping { format, prefix });
        let spoken_for = || ("a".to_owned(), Source::of(parameter_ref("/named")));
        let before = random.one_in(4).then(spoken_for).into_iter().collect();
        Self { source, mapping, names, before }
    }

    /// What the path is to choose: names, and the keys that they become.
    fn chosen(&self) -> BTreeMap<&str, Option<String>> {
        let below = format!("{}/", self.source.prefix.trim_end_matches('/'));
        let chosen = self.names.iter().filter_map(|name| {
            let relative = name.strip_prefix(&below)?;
            let is_near = self.source.recursive == Some(true) || !relative.contains('/');
            let any = |globs: &[String]| globs.iter().any(|glob| matches(glob, relative));
            let is_included = self.source.include.is_empty() || any(&self.source.include);
            let key = key_name::key(relative, self.mapping.as_ref());
            (is_near && is_included && !any(&self.source.exclude)).then_some((name.as_str(), key))
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

    /// Whether something stands in the way of a key each.
    fn is_hindered(&self, chosen: &BTreeMap<&str, Option<String>>) -> bool {
        let keys: BTreeSet<_> = chosen.values().flatten().chain(self.before.keys()).collect();
        chosen.is_empty() || keys.len() < chosen.len() + self.before.len()
    }

    fn check_keys(&self, chosen: &BTreeMap<&str, Option<String>>, keys: &BTreeMap<String, Source>) {
        assert!(!self.is_hindered(chosen), "{chosen:?}: {:?}", keys.keys());
        let expected = chosen.iter().map(|(name, key)| (key.clone().unwrap_or_default(), Some(*name)));
        let named = self.before.iter().map(|(key, source)| (key.clone(), Some(source.parameter_ref.name.as_str())));
        let expected: BTreeMap<_, _> = expected.chain(named).collect();
        let found: BTreeMap<_, _> =
            keys.iter().map(|(key, s)| (key.clone(), Some(s.parameter_ref.name.as_str()))).collect();
        assert_eq!(found, expected, "{:?}", self.source);
    }

    fn check_fault(&self, chosen: &BTreeMap<&str, Option<String>>, fault: &Fault) {
        let message = &fault.message;
        let key_of = |name: &str| match chosen.get(name) {
            Some(key) => key.as_deref(),
            None => {
                self.before.iter().find(|(_, source)| source.parameter_ref.name == name).map(|(key, _)| key.as_str())
            }
        };
        match fault.reason {
            Reason::PathEmpty => assert!(chosen.is_empty(), "{message}: {chosen:?}"),
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
                case.check_fault(&chosen, &fault);
                *faults.entry(fault.reason).or_insert(0) += 1;
            }
        }
    }
    assert!(expanded > 300 && faults.len() == 3 && faults.values().all(|count| *count >= 15), "{expanded} {faults:?}");
}
