//! What the preflight finds: lines about stores.

use crate::{api::Reason, controller::index::StoreKey, domain::Fault};

/// Which objects read from the store.
pub(crate) const OBJECTS: &str = "objects";
/// Whether the store exists and its spec is valid.
pub(crate) const SPEC: &str = "spec";
/// Whether there is a region.
pub(crate) const REGION: &str = "region";
/// Whether credentials can be loaded, roles assumed and sessions opened.
pub(crate) const CREDENTIALS: &str = "credentials";
/// Whether AWS answers.
pub(crate) const ENDPOINT: &str = "endpoint";
/// Versions of parameters.
pub(crate) const GET_PARAMETERS: &str = "ssm:GetParameters";
/// Paths.
pub(crate) const GET_PARAMETERS_BY_PATH: &str = "ssm:GetParametersByPath";
/// Values of parameters.
pub(crate) const DECRYPT: &str = "kms:Decrypt";
/// Values of Secrets Manager.
pub(crate) const GET_SECRET_VALUE: &str = "secretsmanager:GetSecretValue";

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It works.
    Ok,
    /// It does not work.
    Failed,
    /// There was nothing to try it with.
    Skipped,
}

impl Verdict {
    /// The word in the output.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "Ok",
            Self::Failed => "Failed",
            Self::Skipped => "Skipped",
        }
    }
}

/// One line about a store.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// What was checked.
    pub(crate) check: &'static str,
    /// The namespace, if each has a session of its own.
    pub(crate) namespace: Option<String>,
    /// The result.
    pub(crate) verdict: Verdict,
    /// The reason that conditions would show, if it does not work.
    pub(crate) reason: Option<Reason>,
    /// What was found: a sentence with the remedy, if it does not work.
    pub(crate) message: String,
}

impl Line {
    /// Something works.
    pub(crate) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, namespace: None, verdict: Verdict::Ok, reason: None, message: message.into() }
    }

    /// There was nothing to try it with.
    pub(crate) fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self { verdict: Verdict::Skipped, ..Self::ok(check, message) }
    }

    /// Something does not work.
    pub(crate) fn failed(check: &'static str, fault: Fault) -> Self {
        Self { verdict: Verdict::Failed, reason: Some(fault.reason), ..Self::ok(check, fault.message) }
    }

    /// The same for the session of a namespace.
    pub(crate) fn within(self, namespace: Option<&str>) -> Self {
        Self { namespace: namespace.map(str::to_owned), ..self }
    }
}

/// What was found of one store.
#[derive(Clone, Debug)]
pub(crate) struct StoreReport {
    /// The store.
    pub(crate) store: StoreKey,
    /// What was found, in the order in which things depend on each other.
    pub(crate) lines: Vec<Line>,
}

/// What was found of all stores.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) stores: Vec<StoreReport>,
}

impl StoreReport {
    /// Reports whether nothing failed.
    pub(crate) fn is_ok(&self) -> bool {
        self.lines.iter().all(|line| line.verdict != Verdict::Failed)
    }
}

impl Report {
    /// Reports whether nothing failed.
    pub fn is_ok(&self) -> bool {
        self.stores.iter().all(StoreReport::is_ok)
    }
}
