//! What ownership is decided from, and what is decided.

use std::collections::BTreeSet;

use crate::{api::names, domain::report::fault::Fault};

/// The metadata of a Secret that ownership depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SecretMetadata {
    /// uid of the Secret.
    pub uid: String,
    /// Resource version.
    pub resource_version: String,
    /// uid of the owning SecureParameter, from the label of the Secret.
    pub owner_uid: Option<String>,
    /// Name of the owning SecureParameter, from the annotation of the Secret.
    pub owner: Option<String>,
    /// Value of the annotation by which a Secret of another owner consents.
    pub allow: Option<String>,
    /// The owner reference that is marked as controller; there is at most one.
    pub controller: Option<Controller>,
    /// Whether the Secret is being deleted.
    pub deleting: bool,
    /// Which field managers own which fields.
    pub fields: FieldOwnership,
}

/// An object that controls a Secret by its owner reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Controller {
    /// Kind and name.
    pub name: String,
    /// uid.
    pub uid: String,
}

impl SecretMetadata {
    /// Returns the controller, unless it is the object with this uid.
    pub(crate) fn foreign_controller(&self, uid: &str) -> Option<&Controller> {
        self.controller.as_ref().filter(|controller| controller.uid != uid)
    }

    /// Reports whether the Secret may be handed over to an object.
    pub(crate) fn consents_to_takeover(&self, claimant: Claimant<'_>) -> bool {
        self.allow.as_deref().is_some_and(|allow| allow == claimant.qualified_name())
    }

    /// Reports whether an object may add keys to the Secret.
    pub(crate) fn consents_to_merge(&self, claimant: Claimant<'_>) -> bool {
        self.allow.as_deref() == Some(names::ALLOW_MERGE) || self.consents_to_takeover(claimant)
    }
}

/// `managedFields` of a Secret, reduced to what ownership and drift depend on. Paths are `data/<key>`, `type`,
/// `labels/<key>` and so on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldOwnership {
    /// Paths that our field manager owns.
    pub ours: BTreeSet<String>,
    /// Paths within data, type or the operator's own metadata that other managers own, each with the manager.
    pub foreign: BTreeSet<(String, String)>,
    /// The names of all other managers, for messages.
    pub managers: BTreeSet<String>,
}

impl FieldOwnership {
    /// Returns the data keys that other managers own and ours does not.
    pub(crate) fn foreign_keys(&self) -> BTreeSet<&str> {
        self.foreign
            .iter()
            .filter(|(path, _)| !self.ours.contains(path))
            .filter_map(|(path, _)| path.strip_prefix("data/"))
            .collect()
    }

    /// Reports whether our field manager owns a data key.
    pub(crate) fn owns_key(&self, key: &str) -> bool {
        self.ours.contains(&format!("data/{key}"))
    }
}

/// The SecureParameter that is to write a Secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimant<'a> {
    /// Namespace of the object and of the Secret.
    pub namespace: &'a str,
    /// Name of the object.
    pub name: &'a str,
    /// uid of the object.
    pub uid: &'a str,
    /// Name of the Secret.
    pub secret: &'a str,
}

impl Claimant<'_> {
    /// Returns `<namespace>/<name>` of the object.
    pub(crate) fn qualified_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Returns the annotation by which a Secret consents to the object, as `<key>=<value>`.
    pub(crate) fn consent(&self) -> String {
        format!("{}={}", names::ALLOW_ANNOTATION, self.qualified_name())
    }
}

/// What the object may do with its Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No such Secret exists: create it.
    Create,
    /// The object owns the Secret: write it, pinned to this uid.
    Apply {
        /// uid of the Secret.
        uid: String,
    },
    /// The object may take the Secret over: end what others own of it, then write it, pinned to this uid.
    TakeOver {
        /// uid of the Secret.
        uid: String,
    },
    /// Leave the Secret unchanged.
    Refuse(Fault),
}
