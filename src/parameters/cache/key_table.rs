//! Which key encrypts which parameter: what is known, and what is to be learnt. Pure.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::domain::parameter::{key::KeyState, name::ParameterRef};
use crate::parameters::port::Description;

/// Most names that one `DescribeParameters` takes (Systems Manager API reference, ParameterStringFilter).
const NAMES_PER_DESCRIPTION: usize = 50;

/// The keys of an identity's parameters.
#[derive(Debug, Default)]
pub struct Keys {
    /// Of which version what is known: the key's id, in whatever format; none if it is not to be had.
    known: HashMap<ParameterRef, (i64, Option<Arc<str>>)>,
    /// The ids of all keys that were ever seen, so that each is in memory once.
    ids: BTreeSet<Arc<str>>,
    /// Names whose key is to be learnt.
    unknown: BTreeSet<ParameterRef>,
    /// Keys that KMS is to be asked about.
    undescribed: BTreeSet<Arc<str>>,
    /// What the objects were last told of each key.
    told: HashMap<Arc<str>, Option<KeyState>>,
}

impl Keys {
    /// Notes that a version was seen: its key is to be learnt, unless it is known.
    pub fn seen(&mut self, parameter_ref: &ParameterRef, version: i64) {
        if self.known.get(parameter_ref).is_none_or(|(known, _)| *known != version) {
            self.unknown.insert(parameter_ref.clone());
        }
    }

    /// Notes the key of a version. Answers whether that is news.
    pub fn learnt(&mut self, parameter_ref: &ParameterRef, version: i64, key: Option<&str>) -> bool {
        self.unknown.remove(parameter_ref);
        let key = key.map(|key| self.ids.get(key).cloned().unwrap_or_else(|| Arc::from(key)));
        self.ids.extend(key.clone());
        self.undescribed.extend(key.clone());
        let before = self.known.insert(parameter_ref.clone(), (version, key.clone()));
        key.is_some() && before != Some((version, key))
    }

    /// Takes the names for the next call.
    pub fn take_unknown(&mut self) -> Vec<ParameterRef> {
        let taken: Vec<_> = self.unknown.iter().take(NAMES_PER_DESCRIPTION).cloned().collect();
        for parameter_ref in &taken {
            self.unknown.remove(parameter_ref);
        }
        taken
    }

    /// Puts names back whose call failed.
    pub fn put_back(&mut self, parameter_ref: Vec<ParameterRef>) {
        self.unknown.extend(parameter_ref);
    }

    /// Takes the keys that KMS is to be asked about.
    pub fn take_undescribed(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.undescribed)
    }

    /// Whether there is something to learn.
    pub fn is_curious(&self) -> bool {
        !self.unknown.is_empty() || !self.undescribed.is_empty()
    }

    /// The id of the key of a version, if it is known.
    pub fn id(&self, parameter_ref: &ParameterRef, version: i64) -> Option<&Arc<str>> {
        self.known.get(parameter_ref).filter(|(known, _)| *known == version)?.1.as_ref()
    }

    /// Notes what the objects are told of a key. Answers whether that is news to them.
    pub fn tell(&mut self, key: &Arc<str>, state: Option<&KeyState>) -> bool {
        let before = self.told.insert(Arc::clone(key), state.cloned());
        before.is_none_or(|before| before.as_ref() != state)
    }

    /// Has KMS asked about a key again.
    pub fn ask_again(&mut self, key: Arc<str>) {
        self.undescribed.insert(key);
    }

    /// Has KMS asked about every key in use.
    pub fn doubt(&mut self) {
        self.undescribed.extend(self.known.values().filter_map(|(_, id)| id.clone()));
    }

    /// The names that a key encrypts.
    pub fn encrypted_by<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a ParameterRef> {
        self.known.iter().filter(move |(_, (_, id))| id.as_deref() == Some(key)).map(|(parameter_ref, _)| parameter_ref)
    }

    /// Forgets a name that nobody wants any more.
    pub fn forget(&mut self, parameter_ref: &ParameterRef) {
        self.known.remove(parameter_ref);
        self.unknown.remove(parameter_ref);
    }
}

/// What a description says of the key of a version: nothing, if it speaks of another version.
pub fn key_of<'a>(found: &'a [Description], parameter_ref: &ParameterRef, version: i64) -> Option<&'a str> {
    let description = found.iter().find(|description| description.arn == parameter_ref.arn)?;
    description.key_id.as_deref().filter(|_| description.version == version)
}
