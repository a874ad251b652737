//! What every write of a Secret needs: its object, its cause, and its record in the audit stream.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;

use crate::controller::secure_parameter::inputs::Inputs;
use crate::{
    api::Reason,
    controller::context::{Context, new_id},
    domain::{
        Fault,
        audit::{Access, ObjectRef, SecretWrite},
        ownership::types::FieldOwnership,
        schedule::decide::Purpose,
    },
    kubernetes::secrets::errors::SecretError,
};

/// The Secret that a write is for, as it was judged.
pub(super) struct WritePrecondition {
    /// Its uid; `None` if it must not exist.
    pub(super) uid: Option<String>,
    /// Whether it is taken over from others first.
    pub(super) takes_over: bool,
    /// Its resource version, where it was asked for.
    pub(super) resource_version: String,
    /// Who holds which of its fields, where it was asked for.
    pub(super) fields: FieldOwnership,
}

impl WritePrecondition {
    pub(super) const fn new(uid: Option<String>, resource_version: String) -> Self {
        let fields = FieldOwnership { ours: BTreeSet::new(), foreign: BTreeSet::new(), managers: BTreeSet::new() };
        Self { uid, takes_over: false, resource_version, fields }
    }
}

/// Writes one Secret for one attempt.
pub(super) struct SecretWriter<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) context: &'a Context,
    /// Why, for the audit; `None` while the object is being deleted.
    purpose: Option<Purpose>,
    /// Ids of the AWS requests that the values came from.
    request_ids: Vec<String>,
}

impl<'a> SecretWriter<'a> {
    /// Writes what was read for this purpose.
    pub(super) fn new(inputs: &'a Inputs<'_>, context: &'a Context, purpose: Purpose, accesses: &[Access]) -> Self {
        let request_ids = accesses.iter().filter_map(|access| access.request_id.clone()).collect();
        Self { inputs, context, purpose: Some(purpose), request_ids }
    }

    /// Takes back what was written, for an object that is being deleted.
    pub(super) const fn for_deletion(inputs: &'a Inputs<'_>, context: &'a Context) -> Self {
        Self { inputs, context, purpose: None, request_ids: Vec::new() }
    }

    /// Records what was done to a Secret.
    pub(super) fn audit(&self, verb: &'static str, secret: &str, resource_version: Option<String>) {
        let object = self.inputs.audit_reference();
        let object = self.purpose.map_or_else(|| object.clone(), |purpose| object.with_purpose(purpose));
        let object = ObjectRef { secret: Some(secret.into()), ..object };
        let requests = self.request_ids.clone();
        let record = SecretWrite::new(new_id(), verb, Timestamp::now(), resource_version, requests, object);
        self.context.audit_sink.record_write(&record);
    }
}

/// A write that failed, as the owner of the object reads it.
pub(super) fn write_failed(secret: &str, error: &SecretError) -> Fault {
    let (reason, next_step) = match error {
        SecretError::Invalid(_) => (Reason::InvalidSpec, "correct spec.target or the keys in spec.data"),
        SecretError::FieldConflict(_) => {
            (Reason::SecretConflict, "rename the keys in the spec, or remove them from the Secret")
        }
        SecretError::Failed(_) => {
            (Reason::SecretWriteFailed, "the operator tries again; check permissions, quotas and admission policies")
        }
        SecretError::Immutable | SecretError::Replaced => (Reason::SecretWriteFailed, "the operator tries again"),
        SecretError::Controlled => (
            Reason::SecretContested,
            "the operator tries again; delete the object that controls the Secret, or stop its controller",
        ),
    };
    Fault::new(reason, format!("Secret {secret} could not be written: {error}; {next_step}."))
}
