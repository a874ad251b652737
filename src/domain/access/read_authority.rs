//! What one object may read.

use std::collections::BTreeSet;

use crate::api::Reason;
use crate::domain::{
    Fault,
    access::grant::Grant,
    parameter::{
        name::{ParameterRef, Scope},
        path_query::PathQuery,
    },
    report::text::list,
};

/// Who reads where, and what is granted.
#[derive(Clone, Copy, Debug)]
pub struct ReadAuthority<'a> {
    /// Where plain names belong.
    pub scope: &'a Scope,
    /// What the store grants the object's namespace; `None` for a namespaced store, whose own identity is the boundary.
    pub grant: Option<&'a Grant>,
    /// The object's namespace, for messages.
    pub namespace: &'a str,
    /// Kind and name of the store, for messages.
    pub store: &'a str,
}

impl ReadAuthority<'_> {
    /// Checks that all these may be read.
    ///
    /// # Errors
    /// `PolicyDenied` with all that no rule grants.
    pub fn check<'w>(&self, parameter_ref: impl Iterator<Item = &'w ParameterRef>) -> Result<(), Fault> {
        let is_denied = |parameter_ref: &&ParameterRef| {
            self.grant.is_some_and(|grant| !grant.allows(&parameter_ref.arn, self.scope))
        };
        let denied: BTreeSet<_> = parameter_ref.filter(is_denied).collect();
        let subjects: Vec<_> = denied.iter().map(|w| self.scope.own_name(&w.arn).unwrap_or(&w.arn)).collect();
        if denied.is_empty() { Ok(()) } else { Err(self.denied(&list(&subjects), "")) }
    }

    /// Checks that everything below a path may be read.
    ///
    /// # Errors
    /// `PolicyDenied` with the rule that is needed.
    pub fn check_listing(&self, listing: &PathQuery) -> Result<(), Fault> {
        if self.grant.is_none_or(|grant| grant.allows_listing(listing, self.scope)) {
            return Ok(());
        }
        let below = if listing.recursive { "**" } else { "*" };
        Err(self.denied(&format!("all of {0}/{below}", listing.path), ", a path for all that is below it"))
    }

    /// Checks that values may be decrypted by a key, as `kmsDecrypt.keyId` names it. KMS sees to it that it was that key.
    ///
    /// # Errors
    /// `PolicyDenied` with the rule that is needed.
    pub fn check_key(&self, key_id: Option<&str>) -> Result<(), Fault> {
        if self.grant.is_none_or(|grant| grant.allows_key(key_id)) {
            return Ok(());
        }
        let Self { namespace, store, .. } = self;
        let message = match key_id {
            Some(key_id) => format!(
                "Namespace {namespace} may not have values decrypted by KMS key {key_id}: no rule in spec.access of {store} \
                 grants it; add it to kmsDecryptKeys of a rule for this namespace."
            ),
            None => format!(
                "Namespace {namespace} may not have values decrypted by any KMS key: set kmsDecrypt.keyId to one that \
                 kmsDecryptKeys in spec.access of {store} grants."
            ),
        };
        Err(Fault::new(Reason::PolicyDenied, message))
    }

    fn denied(&self, what: &str, how: &str) -> Fault {
        let Self { namespace, store, .. } = self;
        let message = format!(
            "Namespace {namespace} may not read {what}: no rule in spec.access of {store} grants it; add a rule for this \
             namespace with a glob that matches{how}."
        );
        Fault::new(Reason::PolicyDenied, message)
    }
}
