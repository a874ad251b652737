//! What of a spec is compiled: globs, JSONPaths and templates. It depends on the spec alone, so it is kept for as long as the
//! spec does not change.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::api::{MergePolicy, Reason, SecureParameterSpec, ValueOptions};
use crate::domain::{
    plan::{name_filter::NameFilter, types::Place},
    report::{fault::Fault, text::shortened},
    secret::{
        json_path::{self, JsonPath},
        secret_type,
        template::Templates,
    },
};

/// What of a spec is compiled.
#[derive(Debug)]
pub(crate) struct CompiledSpec {
    /// The globs of each entry of `spec.dataFrom`.
    pub filters: Vec<NameFilter>,
    /// The JSONPath of each entry of `spec.dataFrom`.
    pub data_from_paths: Vec<Option<JsonPath>>,
    /// The JSONPath of each entry of `spec.data`.
    pub data_paths: Vec<Option<JsonPath>>,
    /// The templates.
    pub templates: Templates,
    /// Digest of everything that shapes the Secret besides the parameters. It is the same within one process only.
    pub shape: u64,
    /// Digest of what shapes its data alone.
    pub data_shape: u64,
}

impl CompiledSpec {
    /// Compiles a spec.
    ///
    /// # Errors
    /// `InvalidSpec` for what the schema cannot refuse; `TemplateError`.
    pub(crate) fn new(spec: &SecureParameterSpec) -> Result<Self, Fault> {
        let (mut filters, mut data_from_paths) = (Vec::new(), Vec::new());
        for (index, entry) in spec.data_from.iter().enumerate() {
            let place = Place::DataFrom(index);
            let filter = NameFilter::new(&entry.include, &entry.exclude);
            filters.push(filter.map_err(|problem| invalid(format!("{place}: {problem}; correct it.")))?);
            data_from_paths.push(json_path(&place, &entry.value)?);
        }
        let (mut data_paths, mut keys) = (Vec::new(), BTreeSet::new());
        for entry in &spec.data {
            if !keys.insert(entry.key.as_str()) {
                return Err(invalid(format!(
                    "spec.data names the key {} twice; remove one of the entries.",
                    entry.key
                )));
            }
            data_paths.push(json_path(&Place::Data(entry.key.clone()), &entry.value)?);
        }
        let template = spec.target.as_ref().and_then(|target| target.template.as_ref());
        let templates = template.map(|template| Templates::compile(&template.data)).transpose()?.unwrap_or_default();
        let composed = templates.keys();
        secret_type::check_keys(spec.secret_type(), |key| {
            let is_source = !spec.data_from.is_empty() || keys.contains(key);
            composed.contains(key) || spec.merge_policy() == MergePolicy::Merge && is_source
        })?;
        drop(composed);
        let (shape, data_shape) = shapes(spec);
        Ok(Self { filters, data_from_paths, data_paths, templates, shape, data_shape })
    }
}

impl CompiledSpec {
    /// Reports whether it holds more than what the spec itself shows, so that it is worth the memory to keep it.
    pub(crate) fn is_worth_keeping(&self) -> bool {
        let paths = self.data_paths.iter().chain(&self.data_from_paths);
        !self.filters.is_empty() || !self.templates.is_empty() || paths.flatten().next().is_some()
    }
}

fn json_path(place: &Place, value: &ValueOptions) -> Result<Option<JsonPath>, Fault> {
    let path = value.json_path.as_ref().map(|path| {
        json_path::parse(path).map_err(|problem| invalid(format!("{place}.jsonPath: {} {problem}.", shortened(path))))
    });
    path.transpose()
}

/// Returns digests of what shapes the Secret, and of what shapes its data.
fn shapes(spec: &SecureParameterSpec) -> (u64, u64) {
    let digest = |shape: String| {
        let mut hasher = DefaultHasher::new();
        shape.hash(&mut hasher);
        hasher.finish()
    };
    let (target, store, conflicts) = (spec.target.as_ref(), spec.store(), spec.key_conflicts);
    let template = target.and_then(|target| target.template.as_ref());
    // Debug forms of plain data are stable within a process, which is enough.
    let data = format!("{:?}{:?}{conflicts:?}{template:?}{store:?}", spec.data, spec.data_from);
    (digest(format!("{data}{target:?}")), digest(data))
}

fn invalid(message: String) -> Fault {
    Fault::new(Reason::InvalidSpec, message)
}
