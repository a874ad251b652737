//! From values to the data of the Secret: all of it, or a fault that says why not.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::domain::property::{CANARY, dotenv::quoted, json::string, parameter_ref};
use crate::{
    api::{Decode, Format, KeyMapping, KeyStyle, MergePolicy, Reason},
    domain::{
        plan::{
            name_filter::NameFilter,
            types::{FieldSource, KeySource, Place, Plan, PlannedSource, Source},
        },
        secret::{
            content::{KmsPlaintexts, Values},
            key_name,
            render::render,
        },
    },
    random::Random,
};

const KEYS: &[&str] = &["a", "b", "A", "A_B", "T", "p.q"];
const NAMES: &[&str] = &["a", "b", "c", "d", "A-B", "a_b", "p/q", "p.q", "é", "x y", "e", "f"];
const TEXTS: &[&str] = &["a", "1", " ", "\n", "é", "'", "\"", "\\", "$", "#", "=", "S3CR3T"];

/// A plan with its values, and what the model makes of it.
#[derive(Default)]
struct Case {
    plan: Plan,
    values: Values,
    data: BTreeMap<String, Vec<u8>>,
    /// Keys that are spoken for, though their parameter may be absent.
    taken: BTreeSet<String>,
    faults: BTreeSet<Reason>,
}

impl Case {
    fn new(random: &mut Random) -> Self {
        let mut case = Self::default();
        case.plan.secret_type = "Opaque".into();
        for index in 0..random.below(4) {
            case.add_key(random, &format!("/key/{index}"));
        }
        for index in 0..random.below(3) {
            case.add_set(random, usize::try_from(index).expect("small"));
        }
        case.plan.merge_policy = if random.one_in(3) { MergePolicy::Replace } else { MergePolicy::Merge };
        let templates = (0..random.below(3)).map(|_| (random.of(&["T", "U", "V", "a"]).to_owned(), random.of(KEYS)));
        case.add_templates(&templates.collect());
        case
    }

    fn add_value(&mut self, name: &str, value: String) {
        self.values.insert(parameter_ref(name), Arc::new(value.into()));
    }

    fn add_key(&mut self, random: &mut Random, name: &str) {
        let key = random.of(KEYS).to_owned();
        if self.taken.contains(&key) {
            return;
        }
        let text = random.text(TEXTS, 6);
        let mut source = Source { optional: true, ..Source::of(Place::Data(key.clone()), parameter_ref(name)) };
        let in_json = |random: &mut Random, text: &str| format!("{{\"other\": 1, \"x\": {}}}", string(random, text));
        let (value, content) = match random.below(6) {
            0 | 1 => (text.clone(), Some(text.into_bytes())),
            2 => {
                source.json_path = Some("$.x".into());
                (in_json(random, &text), Some(text.into_bytes()))
            }
            3 => {
                source.decode = Some(Decode::Base64);
                (STANDARD.encode(&text), Some(text.into_bytes()))
            }
            4 => {
                (source.json_path, source.decode) = (Some("$.x".into()), Some(Decode::Base64));
                (in_json(random, &STANDARD.encode(&text)), Some(text.into_bytes()))
            }
            _ => {
                source.json_path = Some(random.of(&["$.y", "$.x"]).into());
                (random.of(&["{\"x\"", CANARY, "{}", "[1]"]).into(), None)
            }
        };
        self.taken.insert(key.clone());
        self.plan.sources.push(PlannedSource::Key(KeySource { key: key.clone(), source }));
        if random.one_in(5) {
            return;
        }
        self.add_value(name, value);
        match content {
            Some(content) => drop(self.data.insert(key, content)),
            None => drop(self.faults.insert(Reason::ValueError)),
        }
    }

    fn add_set(&mut self, random: &mut Random, index: usize) {
        let (name, format) = (format!("/set/{index}"), random.of(&[Format::Json, Format::Dotenv]));
        let key_format = random.of(&[None, None, Some(KeyStyle::EnvVar)]);
        let prefix = random.of(&[None, None, Some("P_")]).map(str::to_owned);
        let mapping = Some(KeyMapping { style: key_format, prefix });
        let source = Source { optional: true, ..Source::of(Place::DataFrom(index), parameter_ref(&name)) };
        let filter = NameFilter::default();
        let from = FieldSource { source, format, filter, mapping: mapping.clone() };
        self.plan.sources.push(PlannedSource::Fields(from));
        if random.one_in(8) {
            return;
        }
        let mut written = Vec::new();
        let mut names = BTreeSet::new();
        for _ in 0..random.below(4) {
            let names_there = if random.one_in(8) { NAMES } else { &NAMES[..8] };
            let (field, content) = (random.of(names_there), random.text(TEXTS, 6));
            if format == Format::Json && !names.insert(field) || format == Format::Dotenv && field.contains(' ') {
                self.faults.insert(Reason::ValueError);
            }
            written.push(match format {
                Format::Json => format!("{}: {}", string(random, field), string(random, &content)),
                Format::Dotenv => format!("{field}={}\n", quoted(random, &content)),
            });
            let Some(key) = key_name::key(field, mapping.as_ref()) else {
                self.faults.insert(Reason::ValueError);
                continue;
            };
            if !self.taken.insert(key.clone()) {
                self.faults.insert(Reason::KeyCollision);
            }
            self.data.insert(key, content.into_bytes());
        }
        let text = if format == Format::Json { format!("{{{}}}", written.join(",")) } else { written.concat() };
        self.add_value(&name, text);
    }

    /// Each with the key that it uses.
    fn add_templates(&mut self, templates: &BTreeMap<String, &str>) {
        let sources = self.data.clone();
        if self.plan.merge_policy == MergePolicy::Replace {
            self.data.clear();
        }
        for (key, used) in templates {
            self.plan.templates.insert(key.clone(), format!("<{{{{ data['{used}'] }}}}>"));
            match sources.get(*used) {
                None => drop(self.faults.insert(Reason::TemplateError)),
                Some(content) => {
                    let composed = [b"<", content.as_slice(), b">"].concat();
                    if self.data.insert(key.clone(), composed).is_some() {
                        self.faults.insert(Reason::KeyCollision);
                    }
                }
            }
        }
    }
}

#[test]
fn all_data_is_there_or_a_fault_says_why_not() {
    let random = &mut Random::new(20);
    let (opened, mut succeeded, mut failed) = (KmsPlaintexts::new(), 0, BTreeMap::new());
    for _ in 0..6_000 {
        let case = Case::new(random);
        match render(&case.plan, &case.values, &opened) {
            Ok(data) => {
                succeeded += 1;
                assert!(case.faults.is_empty(), "{:?}: {:?}", case.plan, case.faults);
                let data: BTreeMap<_, _> = data.data.iter().map(|(k, c)| (k.to_string(), c.bytes().to_vec())).collect();
                assert_eq!(data, case.data, "{:?}", case.plan);
            }
            Err(fault) => {
                *failed.entry(fault.reason).or_insert(0) += 1;
                assert!(case.faults.contains(&fault.reason), "{:?}: {fault:?}, not {:?}", case.plan, case.faults);
                assert!(!fault.message.contains(CANARY), "{}", fault.message);
            }
        }
    }
    let is_varied = failed.len() == 3 && failed.values().all(|count| *count > 100);
    assert!(succeeded > 1_000 && is_varied, "{succeeded} succeeded, {failed:?}");
}
