//! A plan: what an object reads from Parameter Store, and which keys of the Secret it becomes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::api::{Decode, Format, KeyConflicts, KeyMapping, KmsDecrypt, MergePolicy};
use crate::domain::{
    parameter::{
        name::ParameterRef,
        path_query::{Children, PathQuery},
    },
    plan::name_filter::NameFilter,
    secret::{json_path::JsonPath, template::Templates},
};

/// What one object reads, and which keys of the Secret it becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// The sources in the order in which later ones override earlier ones: `spec.dataFrom`, then `spec.data`.
    pub sources: Vec<PlannedSource>,
    /// What has to be looked up to resolve the sources. A resolved plan keeps it, since the answers may change.
    pub lookups: Lookups,
    /// What happens if two sources give the same key.
    pub key_conflicts: KeyConflicts,
    /// Keys that are composed of others.
    pub templates: Templates,
    /// What happens to the keys that templates are composed of.
    pub merge_policy: MergePolicy,
    /// Type of the Secret.
    pub secret_type: String,
    /// Digest of everything that shapes the Secret besides the parameters. It is the same within one process only.
    pub shape: u64,
    /// Digest of what shapes its data alone.
    pub data_shape: u64,
}

/// One entry of `spec.dataFrom` or `spec.data`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PlannedSource {
    /// One parameter that becomes one key.
    Key(KeySource),
    /// One parameter whose fields become keys.
    Fields(FieldSource),
    /// A path: each parameter below it becomes a key, once it is known which parameters exist.
    Path(PathSource),
}

impl PlannedSource {
    /// Returns the source of the value, if it is known which parameter that is.
    pub(crate) const fn value(&self) -> Option<&Source> {
        match self {
            Self::Key(key) => Some(&key.source),
            Self::Fields(fields) => Some(&fields.source),
            Self::Path(_) => None,
        }
    }
}

/// One parameter that becomes one key.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeySource {
    /// The key.
    pub key: String,
    /// Its value.
    pub source: Source,
}

/// One parameter whose fields become keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FieldSource {
    /// The value that holds the fields.
    pub source: Source,
    /// Its syntax.
    pub format: Format,
    /// Which fields are chosen.
    pub filter: NameFilter,
    /// How the names of fields become keys.
    pub mapping: Option<KeyMapping>,
}

/// A path whose parameters become keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PathSource {
    /// Where the spec names it.
    pub place: Place,
    /// What Parameter Store is asked for.
    pub query: PathQuery,
    /// Which parameters are chosen.
    pub filter: NameFilter,
    /// How names relative to the path become keys.
    pub mapping: Option<KeyMapping>,
    /// Whether it may give no keys.
    pub optional: bool,
}

/// Where a value comes from, and what is done with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    /// Where the spec names it.
    pub place: Place,
    /// The parameter.
    pub parameter_ref: ParameterRef,
    /// Whether the version before the newest one is meant, and not known yet.
    pub previous: bool,
    /// Whether the parameter may be absent.
    pub optional: bool,
    /// Whether a listing of a path found the parameter. Later listings then show its changes.
    pub listed: bool,
    /// How KMS decrypts the value once more.
    pub kms_decrypt: Option<KmsDecrypt>,
    /// The JSONPath of the node that is used; the whole value if none.
    pub json_path: Option<JsonPath>,
    /// Encoding of the selected text, if it is to be decoded.
    pub decode: Option<Decode>,
}

impl Source {
    /// Returns a source that is the whole value of a parameter that must exist.
    pub(crate) const fn of(place: Place, parameter_ref: ParameterRef) -> Self {
        Self {
            place,
            parameter_ref,
            previous: false,
            optional: false,
            listed: false,
            kms_decrypt: None,
            json_path: None,
            decode: None,
        }
    }
}

/// The place of an entry in the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The entry of `spec.data` with this key.
    Data(String),
    /// The entry of `spec.dataFrom` with this index.
    DataFrom(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(key) => write!(f, "spec.data[{key}]"),
            Self::DataFrom(index) => write!(f, "spec.dataFrom[{index}]"),
        }
    }
}

/// How a parameter is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    /// Whether all sources that need the parameter allow it to be absent.
    pub optional: bool,
    /// Whether only listings of paths found the parameter. They show its changes.
    pub listed: bool,
}

/// Every distinct parameter that is read.
pub(crate) type Reads<'a> = BTreeMap<&'a ParameterRef, Read>;

/// What has to be looked up before it is known which versions of which parameters are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lookups {
    /// Paths to list.
    pub listings: BTreeSet<PathQuery>,
    /// Parameters whose newest version has to be known, each with whether it may be absent.
    pub newest: BTreeMap<ParameterRef, bool>,
}

impl Lookups {
    /// Returns what has to be looked up to resolve sources.
    pub(crate) fn of(sources: &[PlannedSource]) -> Self {
        let mut lookups = Self::default();
        for source in sources {
            match source {
                PlannedSource::Path(path) => drop(lookups.listings.insert(path.query.clone())),
                PlannedSource::Key(KeySource { source, .. }) | PlannedSource::Fields(FieldSource { source, .. }) => {
                    if source.previous {
                        let optional = lookups.newest.entry(source.parameter_ref.clone()).or_insert(source.optional);
                        *optional &= source.optional;
                    }
                }
            }
        }
        lookups
    }

    /// Reports whether nothing has to be looked up.
    pub(crate) fn is_empty(&self) -> bool {
        self.listings.is_empty() && self.newest.is_empty()
    }
}

/// The answers to lookups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LookupResult {
    /// The parameters below each path.
    pub listings: BTreeMap<PathQuery, Children>,
    /// The newest versions. Parameters that do not exist are not in it.
    pub newest: BTreeMap<ParameterRef, i64>,
}

impl Plan {
    /// Returns the same plan with other sources.
    pub(crate) fn with_sources(&self, sources: Vec<PlannedSource>) -> Self {
        Self {
            sources,
            lookups: self.lookups.clone(),
            key_conflicts: self.key_conflicts,
            templates: self.templates.clone(),
            merge_policy: self.merge_policy,
            secret_type: self.secret_type.clone(),
            shape: self.shape,
            data_shape: self.data_shape,
        }
    }

    /// Returns the sources of values, as far as it is known which parameters exist.
    pub(crate) fn values(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter_map(PlannedSource::value)
    }

    /// Returns the paths that are not resolved yet.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathSource> {
        self.sources.iter().filter_map(|source| match source {
            PlannedSource::Path(path) => Some(path),
            PlannedSource::Key(_) | PlannedSource::Fields(_) => None,
        })
    }

    /// Returns every distinct parameter that is read, as far as it is known which exist.
    pub(crate) fn reads(&self) -> Reads<'_> {
        let mut reads = Reads::new();
        for source in self.values().filter(|source| !source.previous) {
            let read = Read { optional: source.optional, listed: source.listed };
            let known = reads.entry(&source.parameter_ref).or_insert(read);
            known.optional &= read.optional;
            known.listed &= read.listed;
        }
        reads
    }

    /// Returns what has to be looked up before the plan can be resolved, and watched afterwards.
    pub(crate) fn lookups(&self) -> Lookups {
        self.lookups.clone()
    }

    /// Reports whether the keys depend on which parameters are below some path.
    pub(crate) fn has_paths(&self) -> bool {
        !self.lookups.listings.is_empty()
    }

    /// Returns the keys that the Secret has in any case, as far as they can be known without values.
    pub(crate) fn required_keys(&self) -> impl Iterator<Item = &str> {
        let writes_sources = self.merge_policy == MergePolicy::Merge;
        let keys = self.sources.iter().filter_map(move |source| match source {
            PlannedSource::Key(key) if writes_sources && !key.source.optional => Some(key.key.as_str()),
            _ => None,
        });
        keys.chain(self.templates.keys())
    }
}
