//! Fourth stage: values become the data of the Secret.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::api::{KmsDecrypt, Reason};
use crate::domain::{
    Fault,
    parameter::name::ParameterRef,
    plan::plan::{Plan, Set},
    report::text::list,
    secret::{
        extract::{fields, part},
        key_name, secret_type, template,
    },
};

/// Most bytes that the values of a Secret may have together (`MaxSecretSize` of the Kubernetes API).
pub const MAX_SECRET_BYTES: usize = 1_048_576;

/// Values by parameter. Zeroized when dropped, redacted in Debug.
pub type Values = BTreeMap<ParameterRef, Arc<SecretString>>;

/// What KMS made of values that were encrypted by hand, by parameter and the way it was asked. Zeroized when dropped,
/// redacted in Debug.
pub type KmsPlaintexts = BTreeMap<(ParameterRef, KmsDecrypt), SecretSlice<u8>>;

/// Data of a Secret, borrowed from the values that were read where it is all of one.
pub type Data<'a> = BTreeMap<Cow<'a, str>, Content<'a>>;

/// What a key of the Secret holds. Zeroized when dropped, redacted in Debug.
pub enum Content<'a> {
    /// All of a value.
    Value(&'a SecretString),
    /// A part of one.
    Text(SecretString),
    /// What was encoded.
    Bytes(SecretSlice<u8>),
    /// What was encrypted by hand.
    KmsPlaintexts(&'a SecretSlice<u8>),
}

impl Content<'_> {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Value(value) => value.expose_secret().as_bytes(),
            Self::Text(value) => value.expose_secret().as_bytes(),
            Self::Bytes(bytes) => bytes.expose_secret(),
            Self::KmsPlaintexts(bytes) => bytes.expose_secret(),
        }
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Content([REDACTED])")
    }
}

/// Renders the Secret's data. Keys whose optional parameter is absent are left out.
///
/// # Errors
/// `ValueError` for a value that is not what the spec says; `KeyCollision` with both parameters; `TemplateError`;
/// `InvalidSpec` where the type of the Secret needs other keys; `SecretTooLarge`, with the size. Never holds anything of
/// a value.
pub fn render<'a>(plan: &'a Plan, values: &'a Values, opened: &'a KmsPlaintexts) -> Result<Data<'a>, Fault> {
    let mut data = Data::new();
    for (key, source) in &plan.keys {
        let content = match &source.kms_decrypt {
            None => values.get(&source.parameter_ref).map(|value| Content::Value(value)),
            Some(by_hand) => opened.get(&(source.parameter_ref.clone(), by_hand.clone())).map(Content::KmsPlaintexts),
        };
        if let Some(content) = content {
            data.insert(Cow::Borrowed(key), part(key, source, content)?);
        }
    }
    let mut origins: BTreeMap<Cow<'a, str>, &ParameterRef> =
        plan.keys.iter().map(|(key, source)| (Cow::Borrowed(key.as_str()), &source.parameter_ref)).collect();
    for set in &plan.sets {
        let Some(value) = values.get(&set.parameter_ref) else { continue };
        for (place, (name, content)) in fields(set, value)?.into_iter().enumerate() {
            let key = key_name::key(&name, set.mapping.as_ref()).ok_or_else(|| no_key(set, place + 1))?;
            if let Some(other) = origins.insert(Cow::Owned(key.clone()), &set.parameter_ref) {
                return Err(collision(set, &key, other));
            }
            data.insert(Cow::Owned(key), Content::Text(content));
        }
    }
    let mut composed = template::render(&plan.templates, &data)?;
    if plan.only_templates {
        data.clear();
    }
    for key in plan.templates.keys() {
        if data.contains_key(key.as_str()) {
            let parameter = origins.get(key.as_str()).map(ToString::to_string).unwrap_or_default();
            let message = format!("Key {key} comes from {parameter} and from a template; rename one of them.");
            return Err(Fault::new(Reason::KeyCollision, message));
        }
        data.extend(composed.remove(key).map(|bytes| (Cow::Borrowed(key.as_str()), Content::Bytes(bytes))));
    }
    secret_type::check_keys(&plan.secret_type, |key| data.contains_key(key))?;
    for (key, content) in &data {
        secret_type::check_value(&plan.secret_type, key, content.bytes())?;
    }
    let size: usize = data.values().map(|content| content.bytes().len()).sum();
    if size > MAX_SECRET_BYTES {
        let message = format!(
            "The Secret would hold {size} bytes, more than the {MAX_SECRET_BYTES} that Kubernetes allows; split it into \
             several SecureParameters."
        );
        return Err(Fault::new(Reason::SecretTooLarge, message));
    }
    Ok(data)
}

/// Names of fields are a part of the value: which one it is, is told by its place.
fn no_key(set: &Set, place: usize) -> Fault {
    Fault::new(
        Reason::ValueError,
        format!(
            "The name of field {place} in parameter {} becomes no key of a Secret (1 to 253 letters, digits, -, _ and ., not \
             beginning with ..); rename it, or set spec.dataFrom[{}].keys.",
            set.parameter_ref, set.index
        ),
    )
}

fn collision(set: &Set, key: &str, one: &ParameterRef) -> Fault {
    let whence = if *one == set.parameter_ref {
        format!("twice from {one}")
    } else {
        format!("from {}", list(&[one.to_string(), set.parameter_ref.to_string()]))
    };
    Fault::new(
        Reason::KeyCollision,
        format!("Key {key} comes {whence}; rename one of them, or set spec.dataFrom[{}].keys.", set.index),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Decode, Format, KeyFormat, KeyMapping},
        domain::{parameter::name::Scope, plan::plan::Source},
    };

    fn parameter_ref(name: &str) -> ParameterRef {
        ParameterRef::new(name, None, &Scope { partition: "aws".into(), region: "r".into(), account: "1".into() })
    }

    fn source(name: &str) -> Source {
        Source { optional: true, ..Source::of(parameter_ref(name)) }
    }

    fn plan(keys: &[(&str, Source)], sets: &[Set]) -> Plan {
        let keys = keys.iter().map(|(key, source)| ((*key).to_owned(), source.clone())).collect();
        let sets = sets.iter().cloned().enumerate().map(|(index, set)| Set { index, ..set }).collect();
        Plan { keys, sets, secret_type: "Opaque".into(), ..Plan::default() }
    }

    fn values(values: &[(&str, &str)]) -> Values {
        values.iter().map(|(name, value)| (parameter_ref(name), Arc::new((*value).to_owned().into()))).collect()
    }

    fn set(name: &str, format: Format, mapping: Option<KeyFormat>) -> Set {
        let mapping = mapping.map(|format| KeyMapping { format: Some(format), prefix: None });
        Set { parameter_ref: parameter_ref(name), index: 0, format, mapping }
    }

    fn render<'a>(plan: &'a Plan, values: &'a Values) -> Result<Data<'a>, Fault> {
        static NOTHING: KmsPlaintexts = KmsPlaintexts::new();
        super::render(plan, values, &NOTHING)
    }

    fn rendered(plan: &Plan, values: &Values) -> Result<Vec<(String, String)>, Fault> {
        let data = render(plan, values)?;
        let text = |content: Content<'_>| String::from_utf8_lossy(content.bytes()).into_owned();
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
        let data = render(&plan, &values).expect("data");
        assert_eq!(data["USER"].bytes(), b"app");
        assert_eq!(data["CERT"].bytes(), b"hello", "line breaks are ignored");
        assert_eq!(data["RAW"].bytes(), [0xff, 0xef], "binary, without padding");
        assert!(!format!("{data:?}").contains("app"));
    }

    #[test]
    fn fields_become_keys() {
        let sets = [set("/json", Format::Json, Some(KeyFormat::EnvVar)), set("/env", Format::Dotenv, None)];
        let values = values(&[("/json", r#"{"db-user": "app", "port": 5432}"#), ("/env", "# local\nTOKEN='x'\n")]);
        let data = rendered(&plan(&[], &sets), &values);
        assert_eq!(data, Ok(pairs(&[("DB_USER", "app"), ("PORT", "5432"), ("TOKEN", "x")])));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_value() {
        let path = |path: &str| Source {
            json_path: Some(crate::domain::secret::json_path::parse(path).expect(path)),
            ..source("/a")
        };
        let decode = Source { decode: Some(Decode::Base64), ..source("/a") };
        let env = || [set("/a", Format::Dotenv, None)];
        let json = || [set("/a", Format::Json, None)];
        let collide = [set("/a", Format::Json, Some(KeyFormat::EnvVar))];
        let both = [set("/a", Format::Json, None), set("/b", Format::Json, None)];
        for (plan, value, reason, parts) in [
            (plan(&[("K", path("$.x"))], &[]), "s3cr3t", Reason::ValueError, &["/a", "no JSON", "spec.data[K]"][..]),
            (
                plan(&[("K", path("$.x"))], &[]),
                r#"{"y": "s3cr3t"}"#,
                Reason::ValueError,
                &["$.x", "nothing", "jsonPath"],
            ),
            (plan(&[("K", decode)], &[]), "s3cr3t!", Reason::ValueError, &["no Base64", "/a"]),
            (plan(&[], &json()), r#"{"s3cr3t": 1, "s3cr3t": 2}"#, Reason::ValueError, &["twice (field 2)"]),
            (plan(&[], &json()), "[\"s3cr3t\"]", Reason::ValueError, &["not an object", "spec.dataFrom[0]"]),
            (plan(&[], &json()), r#"{"s3cr3t b": 1}"#, Reason::ValueError, &["field 1", "no key"]),
            (plan(&[], &env()), "A=1\ns3cr3t", Reason::ValueError, &["line 2", "/a"]),
            (plan(&[], &env()), "s3cr3t!=1", Reason::ValueError, &["field 1", "no key"]),
            (plan(&[], &env()), "A=s3cr3t\nA=2", Reason::KeyCollision, &["Key A", "twice from /a"]),
            (plan(&[], &collide), r#"{"a-b": "s3cr3t", "a.b": 1}"#, Reason::KeyCollision, &["Key A_B", "twice"]),
            (plan(&[], &both), r#"{"x": "s3cr3t"}"#, Reason::KeyCollision, &["Key x", "/a, /b", "dataFrom[1].keys"]),
            (plan(&[("x", source("/b"))], &json()), r#"{"x": "s3cr3t"}"#, Reason::KeyCollision, &["Key x", "/b, /a"]),
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
    fn templates_are_keys_beside_or_instead_of_the_others() {
        let templates = |key: &str| BTreeMap::from([(key.to_owned(), "{{ A }}!".to_owned())]);
        let values = values(&[("/a", "1")]);
        let plain = plan(&[("A", source("/a"))], &[]);
        let beside = Plan { templates: templates("T"), ..plain.clone() };
        assert_eq!(rendered(&beside, &values), Ok(pairs(&[("A", "1"), ("T", "1!")])));
        let instead = Plan { templates: templates("A"), only_templates: true, ..plain.clone() };
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
