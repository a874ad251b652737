//! First stage: spec and store policy become the reads that an object needs, or a typed refusal.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use super::{
    Fault, json,
    parameter::{ArnParts, Scope, Selector, Wanted},
    policy::Grant,
    secret_type, template,
};
use crate::api::{DataFromEntry, Decode, Format, KeyMapping, ParameterSource, Reason, SecureParameterSpec};

/// What one object needs from Parameter Store and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Per key of the Secret, where its value comes from.
    pub keys: BTreeMap<String, Source>,
    /// What becomes several keys.
    pub sets: Vec<Set>,
    /// Keys that are composed of others.
    pub templates: BTreeMap<String, String>,
    /// Whether these alone are written.
    pub only_templates: bool,
    /// Type of the Secret.
    pub secret_type: String,
    /// Digest over everything that shapes the Secret besides the parameters. Of use within one process only.
    pub shape: u64,
}

/// Where the value of a key comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The parameter.
    pub wanted: Wanted,
    /// Whether the key may be absent.
    pub optional: bool,
    /// Where within the value; all of it, if `None`.
    pub json_path: Option<String>,
    /// How that is encoded.
    pub decode: Option<Decode>,
}

/// A parameter that becomes several keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// The parameter.
    pub wanted: Wanted,
    /// What its value is written in.
    pub format: Format,
    /// How the names in it become keys.
    pub mapping: Option<KeyMapping>,
}

impl Plan {
    /// The keys that the Secret has in any case, as far as they can be known without values.
    pub fn required_keys(&self) -> impl Iterator<Item = &String> {
        let entries = self.keys.iter().filter(|(_, source)| !self.only_templates && !source.optional);
        entries.map(|(key, _)| key).chain(self.templates.keys())
    }

    /// Every distinct parameter, with whether all keys that want it can do without.
    pub fn reads(&self) -> BTreeMap<&Wanted, bool> {
        let mut reads = BTreeMap::new();
        for source in self.keys.values() {
            reads.entry(&source.wanted).and_modify(|optional| *optional &= source.optional).or_insert(source.optional);
        }
        reads.extend(self.sets.iter().map(|set| (&set.wanted, false)));
        reads
    }
}

/// Plans the reads of an object.
///
/// `grant` is what the store grants the object's namespace; `None` for a namespaced store, whose own identity is the
/// boundary. `namespace` and `store` are for the messages.
///
/// # Errors
/// `PolicyDenied` with all names that no rule grants; `InvalidSpec` for what no schema can refuse.
pub fn plan(
    spec: &SecureParameterSpec,
    scope: &Scope,
    grant: Option<&Grant>,
    namespace: &str,
    store: &str,
) -> Result<Plan, Fault> {
    let mut keys = BTreeMap::new();
    for entry in &spec.data {
        let place = || format!("spec.data[{}]", entry.key);
        if let Some(path) = &entry.json_path {
            let wrong = |problem| format!("{}.jsonPath: {} {problem}; correct it.", place(), shortened(path));
            json::check_path(path).map_err(|problem| Fault::new(Reason::InvalidSpec, wrong(problem)))?;
        }
        let source = Source {
            wanted: wanted(place, &entry.parameter, entry.version, entry.label.as_ref(), scope)?,
            optional: entry.optional.unwrap_or_default(),
            json_path: entry.json_path.clone(),
            decode: entry.decode,
        };
        if keys.insert(entry.key.clone(), source).is_some() {
            return Err(Fault::new(Reason::InvalidSpec, format!("spec.data names the key {} twice.", entry.key)));
        }
    }
    let set = |(index, entry): (usize, &DataFromEntry)| {
        let ParameterSource { name, version, label, format } = &entry.parameter;
        let place = || format!("spec.dataFrom[{index}].parameter");
        let wanted = wanted(place, name, *version, label.as_ref(), scope)?;
        Ok(Set { wanted, format: *format, mapping: entry.keys.clone() })
    };
    let sets = spec.data_from.iter().enumerate().map(set).collect::<Result<Vec<_>, Fault>>()?;
    let denied: BTreeSet<_> = keys
        .values()
        .map(|source: &Source| &source.wanted)
        .chain(sets.iter().map(|set| &set.wanted))
        .filter(|wanted| grant.is_some_and(|grant| !grant.allows(&wanted.arn, scope)))
        .collect();
    if !denied.is_empty() {
        return Err(policy_denied(&denied, scope, namespace, store));
    }
    let template = spec.target.as_ref().and_then(|target| target.template.as_ref());
    let templates = template.map(|template| template.data.clone()).unwrap_or_default();
    template::check(&templates)?;
    let only_templates = template.is_some_and(|template| template.only.unwrap_or_default());
    let secret_type = spec.secret_type().to_owned();
    let may_come =
        |key: &str| templates.contains_key(key) || !only_templates && (keys.contains_key(key) || !sets.is_empty());
    secret_type::check_keys(&secret_type, may_come)?;
    Ok(Plan { keys, sets, templates, only_templates, secret_type, shape: shape(spec) })
}

fn wanted(
    place: impl Fn() -> String,
    name: &str,
    version: Option<i64>,
    label: Option<&String>,
    scope: &Scope,
) -> Result<Wanted, Fault> {
    let selector = match (version, label) {
        (Some(_), Some(_)) => {
            let message = format!("{} has a version and a label; keep one of them.", place());
            return Err(Fault::new(Reason::InvalidSpec, message));
        }
        (Some(version), None) => Some(Selector::Version(version)),
        (None, Some(label)) => Some(Selector::Label(label.clone())),
        (None, None) => None,
    };
    if let Some(arn) = ArnParts::parse(name)
        && arn.region != scope.region
    {
        let message = format!(
            "Parameter {name} is in region {}, but the store reads region {}; use a store of that region.",
            arn.region, scope.region
        );
        return Err(Fault::new(Reason::InvalidSpec, message));
    }
    Ok(Wanted::new(name, selector, scope))
}

fn policy_denied(denied: &BTreeSet<&Wanted>, scope: &Scope, namespace: &str, store: &str) -> Fault {
    let subjects: Vec<_> = denied.iter().map(|w| scope.own_name(&w.arn).unwrap_or(&w.arn)).collect();
    Fault::new(
        Reason::PolicyDenied,
        format!(
            "Namespace {namespace} may not read {}: no rule in spec.access of {store} grants it; add a rule for this \
             namespace with a glob that matches.",
            list(&subjects)
        ),
    )
}

/// A long text by its beginning.
pub fn shortened(text: &str) -> Cow<'_, str> {
    const SHOWN: usize = 100;
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}

/// Names as a person lists them, cut after ten.
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 10;
    let shown: Vec<_> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn shape(spec: &SecureParameterSpec) -> u64 {
    let mut hasher = DefaultHasher::new();
    let target = spec.target.as_ref();
    // Debug forms of plain data: stable within a process, which is all that is asked of them.
    format!("{:?}{:?}{:?}{:?}", spec.data, spec.data_from, target, spec.store()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{AccessRule, DataEntry, NamespaceMatch},
        domain::policy::Namespace,
    };

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    fn spec(entries: &[DataEntry]) -> SecureParameterSpec {
        SecureParameterSpec {
            store_ref: None,
            refresh_interval: None,
            suspend: None,
            data: entries.to_vec(),
            data_from: Vec::new(),
            target: None,
        }
    }

    fn entry(key: &str, parameter: &str) -> DataEntry {
        DataEntry { key: key.into(), parameter: parameter.into(), ..DataEntry::default() }
    }

    fn grant(glob: &str) -> Grant {
        let namespaces = NamespaceMatch { all: Some(true), ..NamespaceMatch::default() };
        let rules = [AccessRule { namespaces, parameters: vec![glob.into()] }];
        Grant::new(&rules, &Namespace { name: "shop".into(), ..Namespace::default() }).expect("a valid glob")
    }

    #[test]
    fn one_parameter_under_several_spellings_is_read_once() {
        let arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/x";
        let spec = spec(&[entry("a", "x"), entry("b", "/x"), entry("c", arn)]);
        let plan = plan(&spec, &scope(), None, "shop", "store").expect("a plan");
        assert_eq!(plan.reads().len(), 1);
        assert_eq!(plan.keys.len(), 3);
    }

    #[test]
    fn a_read_is_optional_only_if_all_its_keys_are() {
        let optional = DataEntry { optional: Some(true), ..entry("a", "/x") };
        let only = plan(&spec(std::slice::from_ref(&optional)), &scope(), None, "shop", "store").expect("a plan");
        assert_eq!(only.reads().into_values().collect::<Vec<_>>(), [true]);
        let both = plan(&spec(&[optional, entry("b", "/x")]), &scope(), None, "shop", "store").expect("a plan");
        assert_eq!(both.reads().into_values().collect::<Vec<_>>(), [false]);
    }

    #[test]
    fn all_denied_names_are_listed_at_once() {
        let spec = spec(&[entry("a", "/shop/a"), entry("b", "/other/b"), entry("c", "/other/c")]);
        let fault = plan(&spec, &scope(), Some(&grant("/shop/**")), "shop", "ClusterParameterStore default");
        let fault = fault.expect_err("a refusal");
        assert_eq!(fault.reason, Reason::PolicyDenied);
        for part in ["/other/b, /other/c", "Namespace shop", "ClusterParameterStore default"] {
            assert!(fault.message.contains(part), "{} lacks {part}", fault.message);
        }
        assert!(!fault.message.contains("/shop/a"));
    }

    #[test]
    fn a_parameter_of_another_region_is_refused() {
        let spec = spec(&[entry("a", "arn:aws:ssm:us-east-1:111122223333:parameter/x")]);
        let fault = plan(&spec, &scope(), None, "shop", "store").expect_err("a refusal");
        assert_eq!(fault.reason, Reason::InvalidSpec);
        assert!(fault.message.contains("us-east-1"));
    }

    #[test]
    fn the_shape_ignores_what_does_not_shape_the_secret() {
        let plain = spec(&[entry("a", "/x")]);
        let suspended = SecureParameterSpec { suspend: Some(true), ..plain.clone() };
        let other = spec(&[entry("b", "/x")]);
        let shape_of = |spec: &SecureParameterSpec| plan(spec, &scope(), None, "n", "s").expect("a plan").shape;
        assert_eq!(shape_of(&plain), shape_of(&suspended));
        assert_ne!(shape_of(&plain), shape_of(&other));
    }
}
