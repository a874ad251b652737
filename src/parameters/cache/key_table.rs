//! Which key encrypts which parameter, and what is still to be discovered. Pure.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::domain::parameter::{key::KeyState, name::ParameterRef};
use crate::parameters::{cache::key_evidence::KeyEvidence, port::ParameterDescription};

/// Most names in one `DescribeParameters` call (Systems Manager API Reference, ParameterStringFilter).
pub(crate) const NAMES_PER_DESCRIPTION: usize = 50;

/// The keys of the parameters of one identity.
#[derive(Debug, Default)]
pub(crate) struct KeyTable {
    /// The version that was described last, and its key in any of the four key-id formats. `None` if AWS does not
    /// name the key.
    keys: HashMap<ParameterRef, (i64, Option<Arc<str>>)>,
    /// The key ids in use, and those that were within the last hour, so that each is in memory once.
    ids: BTreeSet<Arc<str>>,
    /// Names whose key is to be discovered.
    undiscovered: BTreeSet<ParameterRef>,
    /// Keys that are to be described by KMS.
    undescribed: BTreeSet<Arc<str>>,
    /// The state of each key that subscribers were last notified of.
    reported: HashMap<Arc<str>, Option<KeyState>>,
    /// What access rules may rely on.
    pub(crate) evidence: KeyEvidence,
}

impl KeyTable {
    /// Notes that a version was observed. Its key is to be discovered, unless it is known.
    pub(crate) fn version_observed(&mut self, parameter_ref: &ParameterRef, version: i64) {
        if self.keys.get(parameter_ref).is_none_or(|(known, _)| *known != version) {
            self.undiscovered.insert(parameter_ref.clone());
        }
    }

    /// Records the key of a version. Reports whether it is another key than before.
    pub(crate) fn record(&mut self, parameter_ref: &ParameterRef, version: i64, key: Option<&str>) -> bool {
        self.undiscovered.remove(parameter_ref);
        let key = key.map(|key| self.ids.get(key).cloned().unwrap_or_else(|| Arc::from(key)));
        self.ids.extend(key.clone());
        self.undescribed.extend(key.clone());
        let before = self.keys.insert(parameter_ref.clone(), (version, key.clone()));
        key.is_some() && before != Some((version, key))
    }

    /// Takes the names of the next `DescribeParameters` call.
    pub(crate) fn take_undiscovered(&mut self) -> Vec<ParameterRef> {
        let taken: Vec<_> = self.undiscovered.iter().take(NAMES_PER_DESCRIPTION).cloned().collect();
        for parameter_ref in &taken {
            self.undiscovered.remove(parameter_ref);
        }
        taken
    }

    /// Puts back the names of a call that failed.
    pub(crate) fn put_back(&mut self, names: Vec<ParameterRef>) {
        self.undiscovered.extend(names);
    }

    /// Takes the keys that are to be described by KMS.
    pub(crate) fn take_undescribed(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.undescribed)
    }

    /// Reports whether there is a key to discover or to describe.
    pub(crate) fn has_work(&self) -> bool {
        !self.undiscovered.is_empty() || !self.undescribed.is_empty()
    }

    /// Returns the id of the key of a version, if it is known.
    pub(crate) fn id(&self, parameter_ref: &ParameterRef, version: i64) -> Option<&Arc<str>> {
        self.keys.get(parameter_ref).filter(|(known, _)| *known == version)?.1.as_ref()
    }

    /// Records the state of a key that subscribers are notified of. Reports whether it is another than before.
    pub(crate) fn set_reported(&mut self, key: &Arc<str>, state: Option<&KeyState>) -> bool {
        let before = self.reported.insert(Arc::clone(key), state.cloned());
        before.is_none_or(|before| before.as_ref() != state)
    }

    /// Schedules another description of a key.
    pub(crate) fn describe_again(&mut self, key: Arc<str>) {
        self.undescribed.insert(key);
    }

    /// Schedules another description of every key in use, and forgets the others.
    pub(crate) fn describe_all_again(&mut self) {
        self.ids = self.keys.values().filter_map(|(_, id)| id.clone()).collect();
        self.reported.retain(|key, _| self.ids.contains(key));
        self.undescribed.clone_from(&self.ids);
    }

    /// Returns the names that a key encrypts.
    pub(crate) fn encrypted_by<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a ParameterRef> {
        self.keys.iter().filter(move |(_, (_, id))| id.as_deref() == Some(key)).map(|(parameter_ref, _)| parameter_ref)
    }

    /// Returns the ids of all keys in use.
    pub(crate) fn in_use(&self) -> BTreeSet<&Arc<str>> {
        self.keys.values().filter_map(|(_, id)| id.as_ref()).collect()
    }

    /// Removes a name that nobody watches any more.
    pub(crate) fn forget(&mut self, parameter_ref: &ParameterRef) {
        self.keys.remove(parameter_ref);
        self.undiscovered.remove(parameter_ref);
        self.evidence.forget(parameter_ref);
    }
}

/// Returns the key of a version. `None` if the parameter was described in another version, or is not encrypted.
pub(crate) fn key_of<'a>(
    descriptions: &'a [ParameterDescription],
    parameter_ref: &ParameterRef,
    version: i64,
) -> Option<&'a str> {
    let description = descriptions.iter().find(|description| *description.arn == *parameter_ref.arn)?;
    description.key_id.as_deref().filter(|_| description.version == version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::testing::names::parameter_ref;

    #[test]
    fn keys_that_nobody_uses_any_more_are_forgotten() {
        let (mut table, name) = (KeyTable::default(), parameter_ref("/a"));
        for version in 1..1_000 {
            table.record(&name, version, Some(&format!("key-{version}")));
            let keys = table.take_undescribed();
            for key in &keys {
                table.set_reported(key, None);
            }
        }
        table.describe_all_again();
        assert_eq!((table.ids.len(), table.reported.len(), table.take_undescribed().len()), (1, 1, 1));
        table.forget(&name);
        table.describe_all_again();
        assert_eq!((table.ids.len(), table.reported.len(), table.keys.len()), (0, 0, 0));
    }
}
