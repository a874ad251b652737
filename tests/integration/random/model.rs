//! The world as the test means it, and what an operator has to make of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// The path below which some parameters are.
pub const TREE: &str = "/shop/tree";
/// The store whose rules change.
pub const DEFAULT: &str = "default";
/// The store that comes and goes. It alone serves parameters whose names begin with `/shop/s`.
pub const SECOND: &str = "second";

/// A parameter that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its newest value.
    pub value: String,
    /// Its newest version.
    pub version: i64,
}

/// A `SecureParameter`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each named")]
pub struct Object {
    /// Name of its store.
    pub store: &'static str,
    /// Names of its parameters, each with whether it is optional.
    pub names: BTreeMap<String, bool>,
    /// Whether it also reads the parameters below [`TREE`].
    pub has_path: bool,
    /// Name of its Secret.
    pub target: String,
    /// Whether its Secret outlives it.
    pub retains: bool,
    /// Whether nothing is done for it.
    pub is_suspended: bool,
    /// How often its Secret was deleted by others. Too often would be a fight.
    pub damages: u32,
    /// Whether a running operator could ever write its Secret.
    pub could_sync: bool,
}

/// What an operator has to make of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// `Ready`: the Secret holds this.
    Synced {
        /// Data of the Secret.
        data: BTreeMap<String, String>,
        /// Names of the parameters behind it, with their versions.
        parameters: BTreeMap<String, i64>,
    },
    /// Not `Ready` for one of these reasons. A Secret that was written before is kept.
    Failing(BTreeSet<&'static str>),
    /// Suspended: everything stays as it was.
    Suspended,
}

/// What the objects that are read want from AWS.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Names in specs.
    pub names: BTreeSet<String>,
    /// Names below a path. The listing of the path shows their versions too.
    pub listed: BTreeSet<String>,
    /// Paths.
    pub paths: BTreeSet<String>,
}

/// One change of the world.
#[derive(Clone, Debug)]
pub enum Step {
    /// Creates an object or changes its spec.
    Apply(String, Object),
    /// Creates an object and deletes it after this number of milliseconds, perhaps during its first sync.
    Flash(String, Object, u32),
    /// Deletes an object.
    Delete(String),
    /// Deletes an object and creates it again at once.
    Recreate(String),
    /// Deletes the Secret of an object.
    Damage(String),
    /// Creates a parameter or writes a new version.
    Put(String, String),
    /// Deletes a parameter.
    Remove(String),
    /// Deletes a parameter and creates it again at once, with version 1.
    Replace(String, String),
    /// Makes IAM deny a parameter, or no longer.
    Deny(String, bool),
    /// Sets which rules the store `default` has: for the namespace's own parameters, and for common ones.
    Grant(bool, bool),
    /// Gives the namespace the label that the rule for common parameters selects, or another.
    Label(bool),
    /// Creates or deletes the store `second`.
    Store(bool),
    /// Stops the operator, as Kubernetes would or by killing it.
    Stop {
        /// Whether it is killed.
        kill: bool,
    },
    /// Starts the operator.
    Start,
}

/// The whole world.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each named")]
pub struct Model {
    /// Parameters that exist, by name.
    pub parameters: BTreeMap<String, Parameter>,
    /// All values that a parameter ever had, by the key that it has in a Secret.
    pub values: BTreeMap<String, BTreeSet<String>>,
    /// Names that IAM denies.
    pub denied: BTreeSet<String>,
    /// Objects by name.
    pub objects: BTreeMap<String, Object>,
    /// Names of Secrets that may have outlived an object.
    pub retained: BTreeSet<String>,
    /// Whether the store `default` grants the namespace's own parameters.
    pub grants_own: bool,
    /// Whether the store `default` grants common parameters to namespaces with the label.
    pub grants_common: bool,
    /// Whether the namespace has that label.
    pub is_labelled: bool,
    /// Whether the store `second` exists.
    pub has_second: bool,
    /// Whether the operator runs.
    pub is_running: bool,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            parameters: BTreeMap::new(),
            values: BTreeMap::new(),
            denied: BTreeSet::new(),
            objects: BTreeMap::new(),
            retained: BTreeSet::new(),
            grants_own: true,
            grants_common: true,
            is_labelled: true,
            has_second: true,
            is_running: false,
        }
    }
}

/// The key that a parameter has in every Secret: the last segment of its name.
pub fn key(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

impl Model {
    /// Makes a change.
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::Apply(name, object) => drop(self.objects.insert(name.clone(), object.clone())),
            Step::Flash(..) => {}
            Step::Delete(name) => drop(self.objects.remove(name)),
            Step::Recreate(name) => {
                self.objects.entry(name.clone()).and_modify(|object| {
                    (object.damages, object.could_sync) = (0, false);
                });
            }
            Step::Damage(name) => {
                self.objects.entry(name.clone()).and_modify(|object| object.damages += 1);
            }
            Step::Put(name, value) => self.put(name, value),
            Step::Remove(name) => drop(self.parameters.remove(name)),
            Step::Replace(name, value) => {
                self.parameters.remove(name);
                self.put(name, value);
            }
            Step::Deny(name, true) => drop(self.denied.insert(name.clone())),
            Step::Deny(name, false) => drop(self.denied.remove(name)),
            Step::Grant(own, common) => (self.grants_own, self.grants_common) = (*own, *common),
            Step::Label(labelled) => self.is_labelled = *labelled,
            Step::Store(exists) => self.has_second = *exists,
            Step::Stop { .. } => self.is_running = false,
            Step::Start => self.is_running = true,
        }
        let retaining = self.objects.values().filter(|object| object.retains);
        self.retained.extend(retaining.map(|object| object.target.clone()));
        if self.is_running {
            let syncable = |(name, object)| self.is_syncable(object).then(|| String::clone(name));
            let syncable: Vec<_> = self.objects.iter().filter_map(syncable).collect();
            for name in syncable {
                self.objects.entry(name).and_modify(|object| object.could_sync = true);
            }
        }
    }

    fn put(&mut self, name: &str, value: &str) {
        let version = self.parameters.get(name).map_or(1, |parameter| parameter.version + 1);
        self.parameters.insert(name.to_owned(), Parameter { value: value.to_owned(), version });
        self.values.entry(key(name).to_owned()).or_default().insert(value.to_owned());
    }

    fn is_syncable(&self, object: &Object) -> bool {
        matches!(self.expected(object), Expected::Synced { .. })
    }

    /// What an operator has to make of an object.
    pub fn expected(&self, object: &Object) -> Expected {
        if object.is_suspended {
            return Expected::Suspended;
        }
        if let Some(reason) = self.refusal(object) {
            return Expected::Failing([reason].into());
        }
        let reads = self.reads(object);
        let mut reasons = BTreeSet::new();
        if object.has_path && !self.parameters.keys().any(|name| is_below_tree(name)) {
            reasons.insert("PathEmpty");
        }
        for (name, optional) in &reads {
            // IAM denies a name whether or not the parameter exists.
            if self.denied.contains(name) {
                reasons.insert("AccessDenied");
            } else if !optional && !self.parameters.contains_key(name) {
                reasons.insert("ParameterNotFound");
            }
        }
        if !reasons.is_empty() {
            return Expected::Failing(reasons);
        }
        let present: Vec<_> = reads.keys().filter_map(|name| Some((name, self.parameters.get(name)?))).collect();
        Expected::Synced {
            data: present.iter().map(|(name, parameter)| (key(name).to_owned(), parameter.value.clone())).collect(),
            parameters: present.iter().map(|(name, parameter)| ((*name).clone(), parameter.version)).collect(),
        }
    }

    /// Why nothing may be read for an object.
    fn refusal(&self, object: &Object) -> Option<&'static str> {
        if object.store == SECOND {
            return (!self.has_second).then_some("StoreNotFound");
        }
        let is_granted = |name: &String| {
            if name.starts_with("/common/") { self.grants_common && self.is_labelled } else { self.grants_own }
        };
        let all = object.names.keys().all(is_granted) && (!object.has_path || self.grants_own);
        (!all).then_some("PolicyDenied")
    }

    /// Names that an object reads, each with whether it is optional.
    fn reads(&self, object: &Object) -> BTreeMap<String, bool> {
        let mut reads = object.names.clone();
        if object.has_path {
            let below = self.parameters.keys().filter(|name| is_below_tree(name));
            reads.extend(below.map(|name| (name.clone(), false)));
        }
        reads
    }

    /// What somebody wants. Nothing else may be watched.
    pub fn wanted(&self) -> Wanted {
        let is_read = |object: &&Object| !object.is_suspended && self.refusal(object).is_none();
        let readable: Vec<_> = self.objects.values().filter(is_read).collect();
        let (listed, names) =
            readable.iter().flat_map(|object| self.reads(object).into_keys()).partition(|name| is_below_tree(name));
        let paths = readable.iter().filter(|object| object.has_path).map(|_| TREE.to_owned()).collect();
        Wanted { names, listed, paths }
    }
}

/// Whether a parameter is directly below [`TREE`].
pub fn is_below_tree(name: &str) -> bool {
    name.strip_prefix(TREE).is_some_and(|rest| rest.starts_with('/'))
}
