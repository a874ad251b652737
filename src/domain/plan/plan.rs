//! First stage: spec and store policy become the reads that an object needs, or a typed refusal.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::api::{DataEntry, Decode, Format, KeyMapping, KmsDecrypt, ParameterSource, Reason, SecureParameterSpec};
use crate::domain::{
    Fault,
    access::read_authority::ReadAuthority,
    parameter::{
        name::{ArnParts, ParameterRef, Scope, Selector},
        path_query::Path,
    },
    report::text::shortened,
    secret::{json_path, json_path::JsonPath, secret_type, template},
};

/// What one object needs from Parameter Store and what becomes of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Per key of the Secret, where its value comes from.
    pub keys: BTreeMap<String, Source>,
    /// What becomes several keys.
    pub sets: Vec<Set>,
    /// Paths whose parameters become keys, once it is known what there is.
    pub paths: Vec<Path>,
    /// Per key of the Secret the parameter whose version before the newest one it gets, once it is known which that is.
    pub previous: BTreeMap<String, Source>,
    /// Keys that are composed of others.
    pub templates: BTreeMap<String, String>,
    /// Whether these alone are written.
    pub only_templates: bool,
    /// Type of the Secret.
    pub secret_type: String,
    /// Digest over everything that shapes the Secret besides the parameters. Of use within one process only.
    pub shape: u64,
    /// The same over what shapes its data alone.
    pub data_shape: u64,
}

/// Where the value of a key comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The parameter.
    pub parameter_ref: ParameterRef,
    /// Whether the key may be absent.
    pub optional: bool,
    /// Whether a listing brought it here, and tells of its changes.
    pub listed: bool,
    /// How the value was encrypted by hand.
    pub kms_decrypt: Option<KmsDecrypt>,
    /// Where within the value; all of it, if `None`.
    pub json_path: Option<JsonPath>,
    /// How that is encoded.
    pub decode: Option<Decode>,
}

impl Source {
    /// All of a parameter that must exist.
    pub const fn of(parameter_ref: ParameterRef) -> Self {
        Self { parameter_ref, optional: false, listed: false, kms_decrypt: None, json_path: None, decode: None }
    }
}

/// How a parameter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// Whether all keys that want it can do without.
    pub optional: bool,
    /// Whether nothing but listings wants it, which tell of its changes.
    pub listed: bool,
}

/// Every distinct parameter that is to be read.
pub type Reads<'a> = BTreeMap<&'a ParameterRef, Read>;

/// A parameter that becomes several keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Its place in `spec.dataFrom`.
    pub index: usize,
    /// The parameter.
    pub parameter_ref: ParameterRef,
    /// What its value is written in.
    pub format: Format,
    /// How the names in it become keys.
    pub mapping: Option<KeyMapping>,
}

impl Plan {
    /// The keys that the Secret has in any case, as far as they can be known without values.
    pub fn required_keys(&self) -> impl Iterator<Item = &String> {
        let entries = self.keys.iter().chain(&self.previous);
        let entries = entries.filter(|(_, source)| !self.only_templates && !source.optional);
        entries.map(|(key, _)| key).chain(self.templates.keys())
    }

    /// Every distinct parameter, as far as it is known which there are.
    pub fn reads(&self) -> Reads<'_> {
        let mut reads = Reads::new();
        for source in self.keys.values() {
            let read = Read { optional: source.optional, listed: source.listed };
            let known = reads.entry(&source.parameter_ref).or_insert(read);
            known.optional &= read.optional;
            known.listed &= read.listed;
        }
        reads.extend(self.sets.iter().map(|set| (&set.parameter_ref, Read { optional: false, listed: false })));
        reads
    }
}

/// Plans the reads of an object.
///
/// # Errors
/// `PolicyDenied` with the names that no rule grants; `InvalidSpec` for what no schema can refuse; `TemplateError`.
pub fn plan(spec: &SecureParameterSpec, bounds: &ReadAuthority<'_>) -> Result<Plan, Fault> {
    let (mut keys, mut previous) = (BTreeMap::new(), BTreeMap::new());
    for entry in &spec.data {
        let source = source(entry, bounds.scope)?;
        let twice = keys.contains_key(&entry.key) || previous.contains_key(&entry.key);
        if twice {
            return Err(Fault::new(Reason::InvalidSpec, format!("spec.data names the key {} twice.", entry.key)));
        }
        let sources = if entry.previous.unwrap_or_default() { &mut previous } else { &mut keys };
        sources.insert(entry.key.clone(), source);
    }
    let (mut sets, mut paths) = (Vec::new(), Vec::new());
    for (index, entry) in spec.data_from.iter().enumerate() {
        match (&entry.parameter, &entry.path) {
            (Some(parameter), None) => sets.push(set(index, parameter, entry.keys.as_ref(), bounds.scope)?),
            (None, Some(path)) => paths.push(Path::new(index, path, entry.keys.as_ref())?),
            _ => {
                let message = format!("spec.dataFrom[{index}] must have either path or parameter.");
                return Err(Fault::new(Reason::InvalidSpec, message));
            }
        }
    }
    let named = keys.values().chain(previous.values()).map(|source| &source.parameter_ref);
    bounds.check(named.chain(sets.iter().map(|set| &set.parameter_ref)))?;
    paths.iter().try_for_each(|path| bounds.check_listing(&path.listing))?;
    let by_hand = keys.values().chain(previous.values()).filter_map(|source: &Source| source.kms_decrypt.as_ref());
    by_hand.into_iter().try_for_each(|by_hand| bounds.check_key(by_hand.key_id.as_deref()))?;
    let template = spec.target.as_ref().and_then(|target| target.template.as_ref());
    let templates = template.map(|template| template.data.clone()).unwrap_or_default();
    template::check(&templates)?;
    let only_templates = template.is_some_and(|template| template.only.unwrap_or_default());
    let secret_type = spec.secret_type().to_owned();
    let (shape, data_shape) = shapes(spec);
    let plan = Plan { keys, sets, paths, previous, templates, only_templates, secret_type, shape, data_shape };
    secret_type::check_keys(&plan.secret_type, |key| plan.may_hold(key))?;
    Ok(plan)
}

impl Plan {
    /// Whether the Secret may come to hold a key.
    fn may_hold(&self, key: &str) -> bool {
        let is_open = !self.sets.is_empty() || !self.paths.is_empty();
        let is_named = self.keys.contains_key(key) || self.previous.contains_key(key);
        self.templates.contains_key(key) || !self.only_templates && (is_named || is_open)
    }
}

fn source(entry: &DataEntry, scope: &Scope) -> Result<Source, Fault> {
    let place = || format!("spec.data[{}]", entry.key);
    let json_path = entry.json_path.as_ref().map(|path| {
        let wrong = |problem| format!("{}.jsonPath: {} {problem}.", place(), shortened(path));
        json_path::parse(path).map_err(|problem| Fault::new(Reason::InvalidSpec, wrong(problem)))
    });
    let parameter_ref = parameter_ref(place, &entry.parameter, entry.version, entry.label.as_ref(), scope)?;
    if entry.previous.unwrap_or_default() && (parameter_ref.selector.is_some() || parameter_ref.is_reference()) {
        let message = format!("{} has previous beside a version, a label or a secret of Secrets Manager.", place());
        return Err(Fault::new(Reason::InvalidSpec, message));
    }
    Ok(Source {
        optional: entry.optional.unwrap_or_default(),
        kms_decrypt: entry.kms_decrypt.clone(),
        json_path: json_path.transpose()?,
        decode: entry.decode,
        ..Source::of(parameter_ref)
    })
}

fn set(index: usize, source: &ParameterSource, keys: Option<&KeyMapping>, scope: &Scope) -> Result<Set, Fault> {
    let ParameterSource { name, version, label, format } = source;
    let place = || format!("spec.dataFrom[{index}].parameter");
    let parameter_ref = parameter_ref(place, name, *version, label.as_ref(), scope)?;
    Ok(Set { parameter_ref, index, format: *format, mapping: keys.cloned() })
}

fn parameter_ref(
    place: impl Fn() -> String,
    name: &str,
    version: Option<i64>,
    label: Option<&String>,
    scope: &Scope,
) -> Result<ParameterRef, Fault> {
    let invalid = |message| Err(Fault::new(Reason::InvalidSpec, message));
    let selector = match (version, label) {
        (Some(_), Some(_)) => return invalid(format!("{} has a version and a label; keep one of them.", place())),
        (Some(version), None) => Some(Selector::Version(version)),
        (None, Some(label)) => Some(Selector::Label(label.clone())),
        (None, None) => None,
    };
    if let Some(arn) = ArnParts::parse(name)
        && arn.region != scope.region
    {
        return invalid(format!(
            "Parameter {name} is in region {}, but the store reads region {}; use a store of that region.",
            arn.region, scope.region
        ));
    }
    let parameter_ref = ParameterRef::new(name, selector, scope);
    if !parameter_ref.is_reference() {
        return Ok(parameter_ref);
    }
    match (scope.own_name(&parameter_ref.arn), &parameter_ref.selector) {
        (_, Some(Selector::Version(_))) => invalid(format!(
            "{}: secret {name} of Secrets Manager has no version numbers; use label for one of its stages.",
            place()
        )),
        // AWS takes such a name, but no ARN made of it.
        (Some(own), selector) => Ok(ParameterRef::new(own, selector.clone(), scope)),
        (None, _) => invalid(format!(
            "{}: {name} is a secret of Secrets Manager in another account, which Parameter Store does not hand through.",
            place()
        )),
    }
}

/// Digests over what shapes the Secret, and over what shapes its data.
fn shapes(spec: &SecureParameterSpec) -> (u64, u64) {
    let digest = |shape: String| {
        let mut hasher = DefaultHasher::new();
        shape.hash(&mut hasher);
        hasher.finish()
    };
    let (target, store) = (spec.target.as_ref(), spec.store());
    let template = target.and_then(|target| target.template.as_ref());
    // Debug forms of plain data: stable within a process, which is all that is asked of them.
    let data = format!("{:?}{:?}{template:?}{store:?}", spec.data, spec.data_from);
    (digest(format!("{data}{target:?}")), digest(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{AccessRule, NamespaceMatch, Target},
        domain::access::grant::{Grant, Namespace},
    };

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    fn spec(entries: &[DataEntry]) -> SecureParameterSpec {
        SecureParameterSpec { data: entries.to_vec(), ..SecureParameterSpec::default() }
    }

    fn plan(spec: &SecureParameterSpec, grant: Option<&Grant>) -> Result<Plan, Fault> {
        super::plan(
            spec,
            &ReadAuthority { scope: &scope(), grant, namespace: "shop", store: "ClusterParameterStore default" },
        )
    }

    fn entry(key: &str, parameter: &str) -> DataEntry {
        DataEntry { key: key.into(), parameter: parameter.into(), ..DataEntry::default() }
    }

    fn grant(glob: &str) -> Grant {
        let namespaces = NamespaceMatch { all: Some(true), ..NamespaceMatch::default() };
        let rules = [AccessRule { namespaces, parameters: vec![glob.into()], ..AccessRule::default() }];
        Grant::new(&rules, &Namespace { name: "shop".into(), ..Namespace::default() }).expect("a valid glob")
    }

    #[test]
    fn one_parameter_under_several_spellings_is_read_once() {
        let arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/x";
        let spec = spec(&[entry("a", "x"), entry("b", "/x"), entry("c", arn)]);
        let plan = plan(&spec, None).expect("a plan");
        assert_eq!(plan.reads().len(), 1);
        assert_eq!(plan.keys.len(), 3);
    }

    #[test]
    fn a_read_is_optional_only_if_all_its_keys_are() {
        let optional = DataEntry { optional: Some(true), ..entry("a", "/x") };
        let only = plan(&spec(std::slice::from_ref(&optional)), None).expect("a plan");
        assert_eq!(only.reads().into_values().map(|read| read.optional).collect::<Vec<_>>(), [true]);
        let both = plan(&spec(&[optional, entry("b", "/x")]), None).expect("a plan");
        assert_eq!(both.reads().into_values().map(|read| read.optional).collect::<Vec<_>>(), [false]);
    }

    #[test]
    fn all_denied_names_are_listed_at_once() {
        let spec = spec(&[entry("a", "/shop/a"), entry("b", "/other/b"), entry("c", "/other/c")]);
        let fault = plan(&spec, Some(&grant("/shop/**")));
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
        let fault = plan(&spec, None).expect_err("a refusal");
        assert_eq!(fault.reason, Reason::InvalidSpec);
        assert!(fault.message.contains("us-east-1"));
    }

    #[test]
    fn the_shape_ignores_what_does_not_shape_the_secret() {
        let plain = spec(&[entry("a", "/x")]);
        let suspended = SecureParameterSpec { suspend: Some(true), ..plain.clone() };
        let other = spec(&[entry("b", "/x")]);
        let shape_of = |spec: &SecureParameterSpec| plan(spec, None).expect("a plan").shape;
        assert_eq!(shape_of(&plain), shape_of(&suspended));
        assert_ne!(shape_of(&plain), shape_of(&other));
        let labels = [("team".to_owned(), "shop".to_owned())].into();
        let labelled = Target { labels, ..Target::default() };
        let labelled = SecureParameterSpec { target: Some(labelled), ..plain.clone() };
        assert_ne!(shape_of(&plain), shape_of(&labelled));
        let data_shape_of = |spec: &SecureParameterSpec| plan(spec, None).expect("a plan").data_shape;
        assert_eq!(data_shape_of(&plain), data_shape_of(&labelled));
        assert_ne!(data_shape_of(&plain), data_shape_of(&other));
    }
}
