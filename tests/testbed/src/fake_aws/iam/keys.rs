//! The request context: condition keys and their values.

use std::collections::BTreeMap;

use crate::fake_aws::identity::{Identity, Principal};

/// Condition keys of one request. The names of keys are not case-sensitive, their values are.
#[derive(Clone, Debug, Default)]
pub(in crate::fake_aws) struct Keys(BTreeMap<String, Vec<String>>);

impl Keys {
    /// The keys that describe the caller and the region.
    pub(in crate::fake_aws) fn of(caller: &Identity, region: &str) -> Self {
        let session = caller.session();
        // The principal of a session is its role (IAM User Guide, aws:PrincipalArn).
        let principal = session.map_or(&caller.arn, |session| &session.issuer_arn);
        let kind = match caller.principal {
            Principal::IamUser => "User",
            Principal::AssumedRole(_) => "AssumedRole",
            Principal::WebIdentity { .. } => "FederatedUser",
        };
        let mut keys = Self::default()
            .with("aws:PrincipalArn", principal)
            .with("aws:PrincipalAccount", &caller.account)
            .with("aws:PrincipalType", kind)
            .with("aws:userid", &caller.principal_id)
            .with("aws:RequestedRegion", region);
        for (name, value) in &caller.tags {
            keys = keys.with(&format!("aws:PrincipalTag/{name}"), value);
        }
        match session.and_then(|session| session.source_identity.as_deref()) {
            Some(source) => keys.with("aws:SourceIdentity", source),
            None => keys,
        }
    }

    /// Sets a key with one value.
    #[must_use]
    pub(in crate::fake_aws) fn with(self, name: &str, value: &str) -> Self {
        self.with_all(name, [value])
    }

    /// Sets a key if there is a value.
    #[must_use]
    pub(in crate::fake_aws) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        self.with_all(name, value)
    }

    /// Sets a key with several values. Without any, the key is absent.
    #[must_use]
    pub(in crate::fake_aws) fn with_all<'a>(mut self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        if !values.is_empty() {
            self.0.insert(name.to_lowercase(), values);
        }
        self
    }

    /// The values of a key.
    pub(super) fn get(&self, name: &str) -> Option<&[String]> {
        self.0.get(&name.to_lowercase()).map(Vec::as_slice)
    }

    /// These keys and the others, which take precedence.
    #[must_use]
    pub(in crate::fake_aws) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}
