//! From values to the data of the Secret.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use secrecy::SecretString;

use crate::api::{KeyConflicts, MergePolicy, Reason};
use crate::domain::{
    parameter::name::ParameterRef,
    plan::{
        conflict::collision,
        types::{Plan, PlannedSource, Source},
    },
    report::fault::Fault,
    secret::{
        content::{Content, Data, KmsPlaintexts, MAX_SECRET_BYTES, Values},
        fields::fields,
        secret_type,
        value_part::part,
    },
};

/// What a Secret holds.
#[derive(Debug)]
pub(crate) struct Rendered<'a> {
    /// The data.
    pub data: Data<'a>,
    /// The keys that hold something of each parameter. Keys that templates compose belong to none.
    pub keys_by_parameter: BTreeMap<ParameterRef, BTreeSet<String>>,
}

/// Renders the data of the Secret. Keys of absent optional parameters are left out.
///
/// # Errors
/// `ValueError` for a value that does not have the form that the spec says; `KeyCollision` with both parameters;
/// `TemplateError`; `InvalidSpec` if the type of the Secret needs other keys; `SecretTooLarge`, with the size. No message
/// holds anything of a value.
pub(crate) fn render<'a>(
    plan: &'a Plan,
    values: &'a Values,
    kms_plaintexts: &'a KmsPlaintexts,
) -> Result<Rendered<'a>, Fault> {
    let mut collected = Collected { rule: plan.key_conflicts, data: Data::new(), origins: BTreeMap::new() };
    for source in &plan.sources {
        match source {
            PlannedSource::Key(key) => {
                let content = content(&key.source, values, kms_plaintexts);
                collected.add_key(&key.key, &key.source, content)?;
            }
            PlannedSource::Fields(from) => {
                let Some(content) = content(&from.source, values, kms_plaintexts) else { continue };
                for (key, content) in fields(from, content)? {
                    collected.add_field(key, &from.source, content)?;
                }
            }
            // Resolved to keys before.
            PlannedSource::Path(_) => {}
        }
    }
    let Collected { mut data, origins, .. } = collected;
    let composed = plan.templates.render(&data)?;
    if plan.merge_policy == MergePolicy::Replace {
        data.clear();
    }
    let keys_by_parameter = keys_by_parameter(&data, &origins);
    for (key, bytes) in composed {
        if data.contains_key(key.as_str()) {
            return Err(collision_with_template(&key, origins.get(key.as_str()).copied()));
        }
        data.insert(Cow::Owned(key), Content::Bytes(bytes));
    }
    check(plan, &data)?;
    Ok(Rendered { data, keys_by_parameter })
}

/// Keys that were collected so far.
struct Collected<'a> {
    rule: KeyConflicts,
    data: Data<'a>,
    /// The source of each key.
    origins: BTreeMap<Cow<'a, str>, &'a Source>,
}

impl<'a> Collected<'a> {
    fn add_key(&mut self, key: &'a str, source: &'a Source, content: Option<Content<'a>>) -> Result<(), Fault> {
        match content {
            Some(content) => {
                self.claim(Cow::Borrowed(key), source)?;
                self.data.insert(Cow::Borrowed(key), part(source, content)?);
            }
            // An absent parameter overrides nothing, but a collision shows whether or not the parameter exists.
            None if self.rule == KeyConflicts::Fail => self.claim(Cow::Borrowed(key), source)?,
            None => {}
        }
        Ok(())
    }

    fn add_field(&mut self, key: String, source: &'a Source, content: SecretString) -> Result<(), Fault> {
        self.claim(Cow::Owned(key.clone()), source)?;
        self.data.insert(Cow::Owned(key), Content::Text(content));
        Ok(())
    }

    /// Notes the source of a key. Within one source, a key is unambiguous whatever the rule.
    fn claim(&mut self, key: Cow<'a, str>, source: &'a Source) -> Result<(), Fault> {
        match self.origins.get(&key) {
            Some(other) if self.rule == KeyConflicts::Fail || other.place == source.place => {
                Err(collision(&key, other, source))
            }
            _ => {
                self.origins.insert(key, source);
                Ok(())
            }
        }
    }
}

/// Returns the value of a source as it was read, or as KMS decrypted it once more; `None` if the parameter is absent.
fn content<'a>(source: &Source, values: &'a Values, kms_plaintexts: &'a KmsPlaintexts) -> Option<Content<'a>> {
    match &source.kms_decrypt {
        None => values.get(&source.parameter_ref).map(|value| Content::Value(value)),
        Some(kms_decrypt) => {
            let plaintext = kms_plaintexts.get(&(source.parameter_ref.clone(), kms_decrypt.clone()));
            plaintext.map(Content::KmsPlaintext)
        }
    }
}

fn keys_by_parameter(
    data: &Data<'_>,
    origins: &BTreeMap<Cow<'_, str>, &Source>,
) -> BTreeMap<ParameterRef, BTreeSet<String>> {
    let mut keys: BTreeMap<ParameterRef, BTreeSet<String>> = BTreeMap::new();
    for (key, source) in origins.iter().filter(|(key, _)| data.contains_key(*key)) {
        keys.entry(source.parameter_ref.clone()).or_default().insert(key.clone().into_owned());
    }
    keys
}

/// Checks the data as a whole.
fn check(plan: &Plan, data: &Data<'_>) -> Result<(), Fault> {
    secret_type::check_keys(&plan.secret_type, |key| data.contains_key(key))?;
    for (key, content) in data {
        secret_type::check_value(&plan.secret_type, key, content.bytes())?;
    }
    let size: usize = data.values().map(|content| content.bytes().len()).sum();
    if size <= MAX_SECRET_BYTES {
        return Ok(());
    }
    let message = format!(
        "The Secret would hold {size} bytes, more than the {MAX_SECRET_BYTES} that Kubernetes allows; split it into several \
         SecureParameters."
    );
    Err(Fault::new(Reason::SecretTooLarge, message))
}

fn collision_with_template(key: &str, origin: Option<&Source>) -> Fault {
    let parameter = origin.map(|origin| origin.parameter_ref.to_string()).unwrap_or_default();
    let message = format!(
        "Key {key} comes from {parameter} and from a template; rename one of them, or set spec.target.template.mergePolicy to \
         Replace."
    );
    Fault::new(Reason::KeyCollision, message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        api::{Decode, Format, KeyMapping, KeyStyle},
        domain::{
            parameter::scope::Scope,
            plan::{
                name_filter::NameFilter,
                types::{FieldSource, KeySource, Place},
            },
            secret::{
                json_path::{self, JsonPath},
                template::Templates,
            },
        },
    };

    fn parameter_ref(name: &str) -> ParameterRef {
        ParameterRef::new(name, None, &Scope { partition: "aws".into(), region: "r".into(), account: "1".into() })
    }

    fn source(name: &str) -> Source {
        Source { optional: true, ..Source::of(Place::Data("K".into()), parameter_ref(name)) }
    }

    fn json_path(path: &str) -> JsonPath {
        json_path::parse(path).expect("a path")
    }

    /// A plan of fields first and keys after them, as `dataFrom` and `data` are.
    fn plan(keys: &[(&str, Source)], fields: &[FieldSource]) -> Plan {
        let fields = fields.iter().cloned().enumerate().map(|(index, from)| {
            let source = Source { place: Place::DataFrom(index), ..from.source };
            PlannedSource::Fields(FieldSource { source, ..from })
        });
        let keys = keys.iter().map(|(key, source)| {
            let source = Source { place: Place::Data((*key).to_owned()), ..source.clone() };
            PlannedSource::Key(KeySource { key: (*key).to_owned(), source })
        });
        Plan { sources: fields.chain(keys).collect(), secret_type: "Opaque".into(), ..Plan::default() }
    }

    fn values(values: &[(&str, &str)]) -> Values {
        values.iter().map(|(name, value)| (parameter_ref(name), Arc::new((*value).to_owned().into()))).collect()
    }

    fn fields_of(name: &str, format: Format, style: Option<KeyStyle>) -> FieldSource {
        let mapping = style.map(|style| KeyMapping { style: Some(style), prefix: None });
        FieldSource { source: source(name), format, filter: NameFilter::default(), mapping }
    }

    fn render<'a>(plan: &'a Plan, values: &'a Values) -> Result<Rendered<'a>, Fault> {
        static NOTHING: KmsPlaintexts = KmsPlaintexts::new();
        super::render(plan, values, &NOTHING)
    }

    fn rendered(plan: &Plan, values: &Values) -> Result<Vec<(String, String)>, Fault> {
        let text = |content: Content<'_>| String::from_utf8_lossy(content.bytes()).into_owned();
        let data = render(plan, values)?.data;
        Ok(data.into_iter().map(|(key, content)| (key.into_owned(), text(content))).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_get_the_value_of_their_parameter() {
        let keys = [("A", source("/a")), ("B", source("b")), ("AGAIN", source("/a")), ("GONE", source("/c"))];
        let data = rendered(&plan(&keys, &[]), &values(&[("/a", "1"), ("/b", "2")]));
        assert_eq!(data, Ok(pairs(&[("A", "1"), ("AGAIN", "1"), ("B", "2")])));
    }

    #[test]
    fn a_part_of_a_value_may_be_decoded() {
        let path = |path: &str, decode| Source {
            json_path: Some(crate::domain::secret::json_path::parse(path).expect(path)),
            decode,
            ..source("/json")
        };
        let keys = [
            ("USER", path("$.user", None)),
            ("CERT", path("$.cert", Some(Decode::Base64))),
            ("RAW", Source { decode: Some(Decode::Base64Url), ..source("/raw") }),
        ];
        let values = values(&[("/json", r#"{"user": "app", "cert": "aGVs\nbG8="}"#), ("/raw", "_-8")]);
        let plan = plan(&keys, &[]);
        let data = render(&plan, &values).expect("data").data;
        assert_eq!(data["USER"].bytes(), b"app");
        assert_eq!(data["CERT"].bytes(), b"hello", "line breaks are ignored");
        assert_eq!(data["RAW"].bytes(), [0xff, 0xef], "binary, without padding");
        assert!(!format!("{data:?}").contains("app"));
    }

    #[test]
    fn fields_become_keys() {
        let fields =
            [fields_of("/json", Format::Json, Some(KeyStyle::EnvVar)), fields_of("/env", Format::Dotenv, None)];
        let values = values(&[("/json", r#"{"db-user": "app", "port": 5432}"#), ("/env", "# local\nTOKEN='x'\n")]);
        let data = rendered(&plan(&[], &fields), &values);
        assert_eq!(data, Ok(pairs(&[("DB_USER", "app"), ("PORT", "5432"), ("TOKEN", "x")])));
    }

    #[test]
    fn faults_hold_nothing_of_a_value() {
        let path = |path: &str| Source { json_path: Some(json_path(path)), ..source("/a") };
        let decode = Source { decode: Some(Decode::Base64), ..source("/a") };
        let env = || [fields_of("/a", Format::Dotenv, None)];
        let json = || [fields_of("/a", Format::Json, None)];
        let collide = [fields_of("/a", Format::Json, Some(KeyStyle::EnvVar))];
        let both = [fields_of("/a", Format::Json, None), fields_of("/b", Format::Json, None)];
        for (plan, value, reason, parts) in [
            (plan(&[("K", path("$.x"))], &[]), "s3cr3t", Reason::ValueError, &["/a", "needs JSON", "spec.data[K]"][..]),
            (
                plan(&[("K", path("$.x"))], &[]),
                r#"{"y": "s3cr3t"}"#,
                Reason::ValueError,
                &["$.x", "nothing", "jsonPath"],
            ),
            (plan(&[("K", decode)], &[]), "s3cr3t!", Reason::ValueError, &["not Base64", "/a"]),
            (plan(&[], &json()), r#"{"s3cr3t": 1, "s3cr3t": 2}"#, Reason::ValueError, &["twice (field 2)"]),
            (plan(&[], &json()), "[\"s3cr3t\"]", Reason::ValueError, &["not an object", "spec.dataFrom[0]"]),
            (plan(&[], &json()), r#"{"s3cr3t b": 1}"#, Reason::ValueError, &["field 1", "cannot become a key"]),
            (plan(&[], &env()), "A=1\ns3cr3t", Reason::ValueError, &["line 2", "/a"]),
            (plan(&[], &env()), "s3cr3t!=1", Reason::ValueError, &["field 1", "cannot become a key"]),
            (plan(&[], &env()), "s3cr3t=1\ns3cr3t=2", Reason::ValueError, &["twice (field 2)", "/a"]),
            (plan(&[], &collide), r#"{"a-b": "s3cr3t", "a.b": 1}"#, Reason::KeyCollision, &["Key A_B", "twice"]),
            (plan(&[], &both), r#"{"x": "s3cr3t"}"#, Reason::KeyCollision, &["Key x", "/a, /b", "dataFrom[1].keys"]),
            (plan(&[("x", source("/b"))], &json()), r#"{"x": "s3cr3t"}"#, Reason::KeyCollision, &["Key x", "/a, /b"]),
        ] {
            let fault = render(&plan, &values(&[("/a", value), ("/b", r#"{"x": 1}"#)])).map(drop).expect_err(value);
            assert_eq!(fault.reason, reason, "{}", fault.message);
            for part in parts {
                assert!(fault.message.contains(part), "{} lacks {part}", fault.message);
            }
            assert!(!fault.message.contains("s3cr3t"), "{}", fault.message);
        }
    }

    #[test]
    fn globs_choose_among_fields() {
        let filter = NameFilter::new(&["DB_*".into()], &["*_OLD".into()]).expect("valid globs");
        let value = r#"{"DB_USER": "app", "DB_USER_OLD": "old", "OTHER": 1}"#;
        let chosen = FieldSource { filter, ..fields_of("/a", Format::Json, None) };
        let required = Source { optional: false, ..chosen.source.clone() };
        let chosen = FieldSource { source: required, ..chosen };
        let data = rendered(&plan(&[], std::slice::from_ref(&chosen)), &values(&[("/a", value)]));
        assert_eq!(data, Ok(pairs(&[("DB_USER", "app")])));
        let fault = rendered(&plan(&[], &[chosen]), &values(&[("/a", r#"{"s3cr3t": 1}"#)])).expect_err("no field");
        assert_eq!(fault.reason, Reason::ValueError);
        assert!(
            fault.message.contains("include and exclude") && !fault.message.contains("s3cr3t"),
            "{}",
            fault.message
        );
    }

    #[test]
    fn fields_are_taken_from_the_node_that_the_path_leads_to_after_decoding() {
        let from = fields_of("/a", Format::Dotenv, None);
        let source =
            Source { json_path: Some(json_path("$.env")), decode: Some(Decode::Base64), ..from.source.clone() };
        let data = rendered(&plan(&[], &[FieldSource { source, ..from }]), &values(&[("/a", r#"{"env": "QT0x"}"#)]));
        assert_eq!(data, Ok(pairs(&[("A", "1")])));
    }

    #[test]
    fn with_last_wins_later_sources_override_earlier_ones() {
        let fields = [fields_of("/base", Format::Json, None), fields_of("/prod", Format::Json, None)];
        let values = values(&[
            ("/base", r#"{"A": "base", "B": "base", "C": "base", "D": "base"}"#),
            ("/prod", r#"{"B": "prod", "C": "prod"}"#),
            ("/own", "own"),
        ]);
        let keys = [("C", source("/own")), ("D", source("/absent"))];
        let layered = Plan { key_conflicts: KeyConflicts::LastWins, ..plan(&keys, &fields) };
        let expected = pairs(&[("A", "base"), ("B", "prod"), ("C", "own"), ("D", "base")]);
        assert_eq!(rendered(&layered, &values), Ok(expected));
        let keys_by_parameter = render(&layered, &values).expect("data").keys_by_parameter;
        let keys_of =
            |name: &str| keys_by_parameter[&parameter_ref(name)].iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!((keys_of("/base"), keys_of("/prod"), keys_of("/own")), ("A D".into(), "B".into(), "C".into()));
    }

    #[test]
    fn one_source_that_gives_a_key_twice_is_a_collision_whatever_the_rule() {
        let fields = [fields_of("/a", Format::Dotenv, Some(KeyStyle::EnvVar))];
        let layered = Plan { key_conflicts: KeyConflicts::LastWins, ..plan(&[], &fields) };
        let fault = rendered(&layered, &values(&[("/a", "A-B=1\nA.B=2")])).expect_err("a collision");
        assert_eq!(fault.reason, Reason::KeyCollision);
    }

    #[test]
    fn templates_are_keys_beside_or_instead_of_the_others() {
        let templates = |key: &str| {
            Templates::compile(&BTreeMap::from([(key.to_owned(), "{{ A }}!".to_owned())])).expect("a template")
        };
        let values = values(&[("/a", "1")]);
        let plain = plan(&[("A", source("/a"))], &[]);
        let beside = Plan { templates: templates("T"), ..plain.clone() };
        assert_eq!(rendered(&beside, &values), Ok(pairs(&[("A", "1"), ("T", "1!")])));
        let instead = Plan { templates: templates("A"), merge_policy: MergePolicy::Replace, ..plain.clone() };
        assert_eq!(rendered(&instead, &values), Ok(pairs(&[("A", "1!")])));
        let fault = rendered(&Plan { templates: templates("A"), ..plain }, &values).expect_err("a collision");
        assert_eq!(fault.reason, Reason::KeyCollision);
        assert!(fault.message.contains("/a") && fault.message.contains("template"), "{}", fault.message);
    }

    #[test]
    fn a_secret_over_one_mebibyte_is_refused_before_the_write() {
        let half = "x".repeat(MAX_SECRET_BYTES / 2);
        let values = values(&[("/a", &half)]);
        assert!(render(&plan(&[("A", source("/a")), ("B", source("/a"))], &[]), &values).is_ok());
        let three = plan(&[("A", source("/a")), ("B", source("/a")), ("C", source("/a"))], &[]);
        let fault = render(&three, &values).map(drop).expect_err("too large");
        assert_eq!(fault.reason, Reason::SecretTooLarge);
        assert!(!fault.message.contains("xxx"));
    }
}
