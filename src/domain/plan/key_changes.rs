//! Which keys of a Secret another spec would change, as far as that can be known without a value.
//!
//! Keys of `spec.data` and of templates are in the spec. Those of fields and of paths are known from the status, which lists
//! the parameters that were read and their keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{Format, MergePolicy, SecureParameterSpec, status::ParameterStatus},
    domain::{
        access::read_authority::ReadAuthority,
        parameter::{revision::Metadata, scope::Scope, selector::Selector},
        plan::{
            compiled::CompiledSpec,
            from_spec::plan,
            types::{FieldSource, PathSource, PlannedSource, Source},
        },
        report::fault::Fault,
    },
};

/// Where the value of a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// In words.
    pub(crate) text: String,
    /// ARN of the parameter; `None` for a template.
    parameter: Option<String>,
    /// What else tells it from others: the text of a template, an encryption context.
    detail: String,
}

/// The keys of a Secret, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownKeys {
    /// The keys, each with its origin.
    keys: BTreeMap<String, Origin>,
    /// The keys that each entry of `spec.dataFrom` gave, by the entry as JSON.
    entries: BTreeMap<String, Vec<String>>,
    /// Sources that only a read can tell all keys of, in words.
    pub(crate) unknown: Vec<String>,
}

/// What happens to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyChange {
    /// It is added.
    Added(Origin),
    /// It is removed.
    Removed(Origin),
    /// Its value comes from elsewhere.
    Changed(Origin, Origin),
}

impl KnownKeys {
    /// Returns the keys that a spec gives. `read` is what the status lists of the parameters that were read. `before` are the
    /// keys of the spec that they were read for, if that is another one.
    ///
    /// # Errors
    /// Why the operator would refuse the spec.
    pub(crate) fn of(
        spec: &SecureParameterSpec,
        authority: &ReadAuthority<'_>,
        read: &[ParameterStatus],
        before: Option<&Self>,
    ) -> Result<Self, Fault> {
        let compiled = CompiledSpec::new(spec)?;
        let plan = plan(spec, &compiled, authority)?;
        let explained: BTreeSet<_> = spec.data.iter().map(|entry| entry.key.as_str()).collect();
        let mut known = Self::default();
        // The sources begin with spec.dataFrom, in its order.
        for (index, source) in plan.sources.iter().enumerate() {
            let entry =
                spec.data_from.get(index).and_then(|entry| serde_json::to_string(entry).ok()).unwrap_or_default();
            let is_same = before.is_none_or(|before| before.entries.contains_key(&entry));
            let keys = match source {
                PlannedSource::Key(key) => vec![(key.key.clone(), Origin::of(&key.source))],
                PlannedSource::Path(path) => keys_below(path, authority, read),
                PlannedSource::Fields(fields) => {
                    let origin = Origin::of_fields(fields);
                    let keys = match before {
                        Some(before) => before.entries.get(&entry).cloned().unwrap_or_default(),
                        None => keys_of_fields(fields, &explained, read),
                    };
                    keys.into_iter().map(|key| (key, origin.clone())).collect()
                }
            };
            match source {
                PlannedSource::Path(path) if !is_same => known.unknown.push(format!("parameters below {}", path.query)),
                PlannedSource::Fields(fields) if !is_same => known.unknown.push(Origin::of_fields(fields).text),
                _ => {}
            }
            known.entries.insert(entry, keys.iter().map(|(key, _)| key.clone()).collect());
            known.keys.extend(keys);
        }
        if spec.merge_policy() == MergePolicy::Replace {
            known = Self::default();
        }
        let template = spec.target.as_ref().and_then(|target| target.template.as_ref());
        let composed = template.iter().flat_map(|template| &template.data);
        known.keys.extend(composed.map(|(key, template)| (key.clone(), Origin::of_template(template))));
        Ok(known)
    }

    /// Returns the number of keys that are the same in both.
    pub(crate) fn unchanged(&self, after: &Self) -> usize {
        self.keys.iter().filter(|(key, origin)| after.keys.get(*key) == Some(origin)).count()
    }

    /// Returns what becomes of the keys that the status lists if the Secret is written as the spec says now. Keys that
    /// templates compose are not in a status, so nothing is said of them.
    pub(crate) fn pending(&self, read: &[ParameterStatus], scope: &Scope) -> BTreeMap<String, KeyChange> {
        let origin = |parameter: &ParameterStatus| Origin {
            text: scope.own_name(&parameter.arn).unwrap_or(&parameter.arn).to_owned(),
            parameter: Some(parameter.arn.clone()),
            detail: String::new(),
        };
        let written = read.iter().flat_map(|parameter| parameter.keys.iter().map(move |key| (key, parameter)));
        let written: BTreeMap<_, _> = written.map(|(key, parameter)| (key.clone(), origin(parameter))).collect();
        let is_read = |origin: &&Origin| origin.parameter.is_some();
        let keys: BTreeSet<_> = self.keys.keys().chain(written.keys()).collect();
        let change = |key: &String| match (written.get(key), self.keys.get(key).filter(is_read)) {
            (Some(before), Some(after)) if before.parameter == after.parameter => None,
            (Some(before), Some(after)) => Some(KeyChange::Changed(before.clone(), after.clone())),
            (Some(before), None) => Some(KeyChange::Removed(before.clone())),
            (None, after) => after.cloned().map(KeyChange::Added),
        };
        keys.into_iter().filter_map(|key| Some((key.clone(), change(key)?))).collect()
    }

    /// Returns what becomes of the keys if these are replaced by others.
    pub(crate) fn changes(&self, after: &Self) -> BTreeMap<String, KeyChange> {
        let keys: BTreeSet<_> = self.keys.keys().chain(after.keys.keys()).collect();
        let change = |key: &String| match (self.keys.get(key), after.keys.get(key)) {
            (Some(before), Some(after)) if before == after => None,
            (Some(before), Some(after)) => Some(KeyChange::Changed(before.clone(), after.clone())),
            (Some(before), None) => Some(KeyChange::Removed(before.clone())),
            (None, after) => after.cloned().map(KeyChange::Added),
        };
        keys.into_iter().filter_map(|key| Some((key.clone(), change(key)?))).collect()
    }
}

impl Origin {
    fn of(source: &Source) -> Self {
        let context = source.kms_decrypt.as_ref().map(|decrypt| format!("{:?}", decrypt.encryption_context));
        Self {
            text: describe(source),
            parameter: Some(source.parameter_ref.arn.to_string()),
            detail: context.unwrap_or_default(),
        }
    }

    fn of_fields(fields: &FieldSource) -> Self {
        let format = match fields.format {
            Format::Json => "JSON",
            Format::Dotenv => "Dotenv",
        };
        let origin = Self::of(&fields.source);
        Self { text: format!("{format} fields of {}", origin.text), ..origin }
    }

    fn of_template(template: &str) -> Self {
        Self { text: "a template".to_owned(), parameter: None, detail: template.to_owned() }
    }
}

/// The keys of the parameters below a path that the status lists.
fn keys_below(path: &PathSource, authority: &ReadAuthority<'_>, read: &[ParameterStatus]) -> Vec<(String, Origin)> {
    let is_meant = |parameter: &&ParameterStatus| parameter.label == path.query.label;
    let names = read.iter().filter(is_meant).filter_map(|parameter| authority.scope.own_name(&parameter.arn));
    let children: BTreeMap<_, _> =
        names.map(|name| (path.query.child(name, authority.scope), Metadata::default())).collect();
    // What is wrong with them shows when they are read.
    let keys = PathSource { optional: true, ..path.clone() }.expand(&children.into()).unwrap_or_default();
    keys.into_iter().map(|key| (key.key, Origin::of(&key.source))).collect()
}

/// The keys that the status lists for a parameter, but for those that `spec.data` explains.
fn keys_of_fields(fields: &FieldSource, explained: &BTreeSet<&str>, read: &[ParameterStatus]) -> Vec<String> {
    let wanted = &fields.source.parameter_ref;
    let label = match &wanted.selector {
        Some(Selector::Label(label)) => Some(label.as_str()),
        _ => None,
    };
    let is_meant = |parameter: &&ParameterStatus| parameter.arn == *wanted.arn && parameter.label.as_deref() == label;
    let keys = read.iter().filter(is_meant).flat_map(|parameter| &parameter.keys);
    keys.filter(|key| !explained.contains(key.as_str())).cloned().collect()
}

/// Says where a value comes from and what is done with it.
fn describe(source: &Source) -> String {
    let version = match &source.parameter_ref.selector {
        Some(Selector::Version(version)) => Some(format!("version {version}")),
        Some(Selector::Label(label)) => Some(format!("label {label}")),
        None => source.previous.then(|| "the previous version".to_owned()),
    };
    let decrypt = source.kms_decrypt.as_ref().map(|decrypt| match &decrypt.key_id {
        Some(key) => format!("kmsDecrypt with {key}"),
        None => "kmsDecrypt".to_owned(),
    });
    let json_path = source.json_path.as_ref().map(|path| format!("jsonPath {path}"));
    let decode = source.decode.map(|decode| format!("decode {decode:?}"));
    let parts = [Some(source.parameter_ref.name().to_string()), version, decrypt, json_path, decode];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    fn known(spec: &Value, read: &[ParameterStatus], before: Option<&KnownKeys>) -> KnownKeys {
        let scope = scope();
        let authority = ReadAuthority { scope: &scope, prefix: "/prod", grant: None, namespace: "shop", store: "s" };
        let spec = serde_json::from_value(spec.clone()).expect("a spec");
        KnownKeys::of(&spec, &authority, read, before).expect("a valid spec")
    }

    fn read(name: &str, keys: &[&str]) -> ParameterStatus {
        let status = json!({"arn": scope().parameter_arn(name), "version": 3, "type": "SecureString", "keys": keys});
        serde_json::from_value(status).expect("a status")
    }

    /// One line for each change.
    fn lines(changes: &BTreeMap<String, KeyChange>) -> Vec<String> {
        let line = |(key, change): (&String, &KeyChange)| match change {
            KeyChange::Added(origin) => format!("+{key} {}", origin.text),
            KeyChange::Removed(origin) => format!("-{key} {}", origin.text),
            KeyChange::Changed(before, after) => format!("~{key} {} -> {}", before.text, after.text),
        };
        changes.iter().map(line).collect()
    }

    /// What a spec changes of another one, and what of it cannot be known.
    fn diff(before: &Value, after: &Value, read: &[ParameterStatus]) -> (Vec<String>, Vec<String>) {
        let before = known(before, read, None);
        let after = known(after, read, Some(&before));
        (lines(&before.changes(&after)), after.unknown)
    }

    #[test]
    fn single_keys_and_templates_are_compared_as_they_are_written() {
        let template = |text: &str| json!({"data": {"URL": text}});
        let before = json!({
            "data": [{"key": "A", "parameter": "/a"}, {"key": "B", "parameter": "/b"}, {"key": "C", "parameter": "/c"}],
            "target": {"template": template("{{ A }}")},
        });
        let after = json!({
            "data": [
                {"key": "A", "parameter": "/a", "version": 2, "jsonPath": "$.x", "decode": "Base64"},
                {"key": "C", "parameter": "c"},
                {"key": "D", "parameter": "/d", "previous": true},
            ],
            "target": {"template": template("{{ C }}")},
        });
        let (changes, unknown) = diff(&before, &after, &[]);
        let expected = [
            "~A /prod/a -> /prod/a, version 2, jsonPath $.x, decode Base64",
            "-B /prod/b",
            "+D /prod/d, the previous version",
            "~URL a template -> a template",
        ];
        assert_eq!((changes, unknown), (expected.map(str::to_owned).to_vec(), Vec::new()));
        assert_eq!(diff(&before, &before, &[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn keys_of_paths_and_fields_come_from_the_status() {
        let seen = [
            read("/prod/app/log-level", &["LOG_LEVEL"]),
            read("/prod/config", &["HOST", "PORT"]),
            read("/prod/a", &["A"]),
        ];
        let path = json!({"path": "/app", "keys": {"style": "EnvVar"}});
        let fields = json!({"parameter": "/config", "format": "JSON"});
        let all = json!({"data": [{"key": "A", "parameter": "/a"}], "dataFrom": [path, fields]});
        let reordered = json!({"data": [{"key": "A", "parameter": "/a"}], "dataFrom": [fields, path]});
        assert_eq!(diff(&all, &reordered, &seen), (Vec::new(), Vec::new()));

        let without = json!({"data": [{"key": "A", "parameter": "/a"}]});
        let (changes, unknown) = diff(&all, &without, &seen);
        let removed = [
            "-HOST JSON fields of /prod/config",
            "-LOG_LEVEL /prod/app/log-level",
            "-PORT JSON fields of /prod/config",
        ];
        assert_eq!((changes, unknown), (removed.map(str::to_owned).to_vec(), Vec::new()));

        let other =
            json!({"dataFrom": [{"path": "/app"}, {"parameter": "/config", "format": "JSON", "include": ["H*"]}]});
        let (changes, unknown) = diff(&json!({"dataFrom": [path, fields]}), &other, &seen);
        assert!(changes.contains(&"+log-level /prod/app/log-level".to_owned()), "{changes:?}");
        assert_eq!(unknown, ["parameters below /prod/app", "JSON fields of /prod/config"]);
    }

    #[test]
    fn replaced_keys_are_not_written() {
        let spec = |policy| {
            json!({"data": [{"key": "A", "parameter": "/a"}],
                   "target": {"template": {"data": {"URL": "{{ A }}"}, "mergePolicy": policy}}})
        };
        assert_eq!(diff(&spec("Merge"), &spec("Replace"), &[]).0, ["-A /prod/a"]);
    }

    #[test]
    fn what_is_pending_is_told_by_parameter() {
        let seen = [read("/prod/a", &["A", "B"]), read("/prod/c", &["C"])];
        let spec = json!({
            "data": [{"key": "A", "parameter": "/a"}, {"key": "C", "parameter": "/d"}, {"key": "E", "parameter": "/e"}],
            "target": {"template": {"data": {"URL": "{{ A }}"}}},
        });
        let changes = known(&spec, &seen, None).pending(&seen, &scope());
        assert_eq!(lines(&changes), ["-B /prod/a", "~C /prod/c -> /prod/d", "+E /prod/e"]);
    }
}
