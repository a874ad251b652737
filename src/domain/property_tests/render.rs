//! From values to the data of the Secret: all of it, or a fault that says why not.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{
    bool::weighted,
    collection::{btree_map, vec},
    prelude::{Strategy, prop_oneof},
    sample::select,
};

use crate::{
    api::{Decode, Format, KeyMapping, KeyStyle, MergePolicy, Reason},
    domain::{
        plan::types::{KeySource, Plan, PlannedSource, Source},
        property_tests::{
            CANARY, check, concatenation,
            dotenv::quoted,
            field_source,
            json::{string, styles},
            parameter_ref, source,
        },
        secret::{
            content::{KmsPlaintexts, Values},
            json_path, key_name,
            render::render,
            template::Templates,
        },
    },
};

const KEYS: &[&str] = &["a", "b", "A", "A_B", "T", "p.q"];
const TEMPLATE_KEYS: &[&str] = &["T", "U", "V", "a"];
const NAMES: &[&str] = &["a", "b", "c", "d", "A-B", "a_b", "p/q", "p.q"];
/// Some of them cannot be keys, or not names of Dotenv.
const UNUSUAL_NAMES: &[&str] = &["a", "b", "é", "x y", "e", "f"];
const TEXTS: &[&str] = &["a", "1", " ", "\n", "é", "'", "\"", "\\", "$", "#", "=", CANARY];

/// How a key gets its value.
#[derive(Clone, Debug)]
enum Origin {
    Whole,
    JsonPath,
    Base64,
    Base64InJson,
    /// A value in which the path finds nothing.
    Unfit {
        path: &'static str,
        value: &'static str,
    },
}

/// An entry of `data`: key, text, origin, whether the parameter is absent.
type Entry = (&'static str, String, Origin, bool);
/// An entry of `dataFrom`: format, mapping, whether the parameter is absent, names and texts of its fields.
type FieldsEntry = (Format, KeyMapping, bool, Vec<(&'static str, String)>);

/// A plan with its values, and what is expected of it.
#[derive(Default)]
struct Case {
    plan: Plan,
    values: Values,
    data: BTreeMap<String, Vec<u8>>,
    /// Keys that have a source, even if its parameter is absent.
    taken: BTreeSet<String>,
    faults: BTreeSet<Reason>,
}

impl Case {
    fn add_value(&mut self, name: &str, value: String) {
        self.values.insert(parameter_ref(name), Arc::new(value.into()));
    }

    fn add_entry(&mut self, index: usize, (key, text, origin, is_absent): Entry, styles: &[u8]) {
        if !self.taken.insert(key.to_owned()) {
            return;
        }
        let name = format!("/key/{index}");
        let in_json = |text: &str| format!("{{\"other\": 1, \"x\": {}}}", string(text, styles));
        let encoded = STANDARD.encode(&text);
        let (path, decode, value) = match origin {
            Origin::Whole => (None, None, text.clone()),
            Origin::JsonPath => (Some("$.x"), None, in_json(&text)),
            Origin::Base64 => (None, Some(Decode::Base64), encoded),
            Origin::Base64InJson => (Some("$.x"), Some(Decode::Base64), in_json(&encoded)),
            Origin::Unfit { path, value } => (Some(path), None, value.to_owned()),
        };
        let json_path = path.map(|path| json_path::parse(path).expect("a path"));
        let source = Source { optional: true, json_path, decode, ..source(key, &name) };
        self.plan.sources.push(PlannedSource::Key(KeySource { key: key.to_owned(), source }));
        if is_absent {
            return;
        }
        self.add_value(&name, value);
        if matches!(origin, Origin::Unfit { .. }) {
            self.faults.insert(Reason::ValueError);
        } else {
            self.data.insert(key.to_owned(), text.into_bytes());
        }
    }

    fn add_fields(&mut self, index: usize, (format, mapping, is_absent, fields): FieldsEntry, styles: &[u8]) {
        let name = format!("/set/{index}");
        let mapping = Some(mapping);
        let from = field_source(index, &name, format, mapping.clone());
        self.plan.sources.push(PlannedSource::Fields(from));
        if is_absent {
            return;
        }
        let (mut written, mut names) = (Vec::new(), BTreeSet::new());
        for (field, text) in fields {
            let is_duplicate = !names.insert(field);
            if is_duplicate || format == Format::Dotenv && field.contains(' ') {
                self.faults.insert(Reason::ValueError);
            }
            written.push(match format {
                Format::Json => format!("{}: {}", string(field, styles), string(&text, styles)),
                Format::Dotenv => format!("{field}={}\n", quoted(&text, styles[0])),
            });
            let Some(key) = key_name::key(field, mapping.as_ref()) else {
                self.faults.insert(Reason::ValueError);
                continue;
            };
            if !self.taken.insert(key.clone()) {
                self.faults.insert(Reason::KeyCollision);
            }
            self.data.insert(key, text.into_bytes());
        }
        let text = if format == Format::Json { format!("{{{}}}", written.join(",")) } else { written.concat() };
        self.add_value(&name, text);
    }

    /// Adds templates, each with the key that it uses.
    fn add_templates(&mut self, templates: BTreeMap<&str, &str>, only: bool) {
        self.plan.merge_policy = if only { MergePolicy::Replace } else { MergePolicy::Merge };
        let sources = self.data.clone();
        if only {
            self.data.clear();
        }
        let mut sources_of_templates = BTreeMap::new();
        for (key, used) in templates {
            sources_of_templates.insert(key.to_owned(), format!("<{{{{ data['{used}'] }}}}>"));
            let Some(content) = sources.get(used) else {
                self.faults.insert(Reason::TemplateError);
                continue;
            };
            let composed = [b"<", content.as_slice(), b">"].concat();
            if self.data.insert(key.to_owned(), composed).is_some() {
                self.faults.insert(Reason::KeyCollision);
            }
        }
        self.plan.templates = Templates::compile(&sources_of_templates).expect("templates");
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    let unfit = (select(&["$.y", "$.x"][..]), select(&["{\"x\"", CANARY, "{}", "[1]"][..]));
    let origin = prop_oneof![
        2 => select(vec![Origin::Whole]),
        3 => select(vec![Origin::JsonPath, Origin::Base64, Origin::Base64InJson]),
        1 => unfit.prop_map(|(path, value)| Origin::Unfit { path, value }),
    ];
    (select(KEYS), concatenation(TEXTS, 6), origin, weighted(0.2))
}

fn fields_entry() -> impl Strategy<Value = FieldsEntry> {
    let format = select(&[None, None, Some(KeyStyle::EnvVar)][..]);
    let prefix = select(&[None, None, Some("P_")][..]);
    let mapping = (format, prefix).prop_map(|(style, prefix)| KeyMapping { style, prefix: prefix.map(str::to_owned) });
    let name = prop_oneof![10 => select(NAMES), 1 => select(UNUSUAL_NAMES)];
    (select(vec![Format::Json, Format::Dotenv]), mapping, weighted(0.12), vec((name, concatenation(TEXTS, 6)), 0..4))
}

fn case() -> impl Strategy<Value = (Plan, Values, BTreeMap<String, Vec<u8>>, BTreeSet<Reason>)> {
    let templates = (btree_map(select(TEMPLATE_KEYS), select(KEYS), 0..3), weighted(0.33));
    (vec(entry(), 0..4), vec(fields_entry(), 0..3), templates, styles()).prop_map(
        |(entries, fields_entries, (templates, only), styles)| {
            let mut case = Case::default();
            case.plan.secret_type = "Opaque".into();
            for (index, entry) in entries.into_iter().enumerate() {
                case.add_entry(index, entry, &styles);
            }
            for (index, entry) in fields_entries.into_iter().enumerate() {
                case.add_fields(index, entry, &styles);
            }
            case.add_templates(templates, only);
            (case.plan, case.values, case.data, case.faults)
        },
    )
}

#[test]
fn a_secret_has_all_its_data_or_a_fault_says_why_not() {
    let results = RefCell::new(BTreeMap::new());
    check(3_000, case(), |(plan, values, expected, faults)| {
        let plaintexts = KmsPlaintexts::new();
        let result = render(&plan, &values, &plaintexts);
        match &result {
            Ok(data) => {
                assert!(faults.is_empty(), "{faults:?}");
                let data: BTreeMap<_, _> = data.data.iter().map(|(k, c)| (k.to_string(), c.bytes().to_vec())).collect();
                assert_eq!(data, expected);
            }
            Err(fault) => {
                assert!(faults.contains(&fault.reason), "{fault:?}, not {faults:?}");
                assert!(!fault.message.contains(CANARY), "{}", fault.message);
            }
        }
        *results.borrow_mut().entry(result.err().map(|fault| fault.reason)).or_insert(0) += 1;
    });
    let results = results.into_inner();
    assert!(results.len() == 4 && results.values().all(|count| *count >= 50), "{results:?}");
}
