//! How an attempt to bring a Secret up to date ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::jiff::Timestamp;

use crate::{
    api::{Reason, SecureParameterStatus, status::WrittenSecret},
    domain::{
        Fault,
        audit::Access,
        ownership::{drift::SecretSnapshot, types::SecretMetadata},
        parameter::{
            key::ParameterKeys,
            name::ParameterRef,
            revision::{Metadata, Versions},
        },
        report::restart_summary::Rollout,
        schedule::{
            absence::Absence,
            decide::Purpose,
            object_state::{FallbackReasons, Shape},
        },
    },
};

/// The keys of the Secret by the parameter that their values come from.
pub(crate) type KeysByParameter = BTreeMap<ParameterRef, BTreeSet<String>>;

/// One attempt to bring a Secret up to date.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// How it ended.
    pub outcome: Outcome,
    /// The AWS calls that were made for it.
    pub accesses: Vec<Access>,
    /// What is known of missing parameters; `None` if that did not change.
    pub absence: Option<Absence>,
    /// The Secret, if the API server was asked for it and it is intact.
    pub intact: Option<SecretSnapshot>,
    /// The status that was written while the read waited for its turn.
    pub interim: Option<InterimStatus>,
}

/// A status that was written in the middle of an attempt.
#[derive(Clone, Debug)]
pub(crate) struct InterimStatus {
    /// The status.
    pub status: Arc<SecureParameterStatus>,
    /// The object's resource version after the write.
    pub resource_version: Option<String>,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The spec suspends the object.
    Suspended,
    /// Nothing can be done at present, and everything stays as it is.
    Waiting {
        /// How long, unless something else triggers the object.
        wait: Duration,
        /// What it waits for, as metrics count it.
        reason: Reason,
    },
    /// Nothing had to be compared, or a difference is still to be confirmed.
    Unchanged {
        /// When to reconcile again, if not only on a change.
        wake: Option<Duration>,
    },
    /// The parameters are as recorded.
    Verified {
        /// The Secret as last written.
        secret: WrittenSecret,
        /// Its parameters.
        parameters: ObservedParameters,
        /// What the spec makes of them.
        shape: Shape,
    },
    /// The Secret was written.
    Written(Box<Written>),
    /// The attempt failed.
    Failed {
        /// Why.
        fault: Fault,
        /// What the read depended on, if the attempt got as far as a read; see [`crate::domain::schedule::hold::Hold`].
        basis: Option<u64>,
    },
}

/// The parameters of an object, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObservedParameters {
    /// Their versions.
    pub versions: Versions,
    /// Their KMS keys.
    pub keys: ParameterKeys,
    /// What Parameter Store decrypted although KMS was to do it; `None` if that is not known, after a restart.
    pub fallbacks: Option<FallbackReasons>,
}

impl ObservedParameters {
    /// Those that exist.
    pub(crate) fn present(&self) -> impl Iterator<Item = (&ParameterRef, &Metadata)> {
        self.versions.iter().filter_map(|(parameter, metadata)| Some((parameter, metadata.as_ref()?)))
    }

    /// Counts those that exist.
    pub(crate) fn count_present(&self) -> i32 {
        i32::try_from(self.present().count()).unwrap_or(i32::MAX)
    }
}

/// A Secret that was written.
#[derive(Debug)]
pub(crate) struct Written {
    /// When.
    pub at: Timestamp,
    /// Why its parameters were read.
    pub purpose: Purpose,
    /// Its metadata after the write.
    pub metadata: SecretMetadata,
    /// The number of keys that were written.
    pub keys: usize,
    /// The revision of the parameters that it was written from.
    pub revision: String,
    /// These parameters.
    pub parameters: ObservedParameters,
    /// Which keys come from which of them.
    pub keys_by_parameter: KeysByParameter,
    /// What the spec makes of them.
    pub shape: Shape,
}

/// The result of a restart that was due.
#[derive(Debug)]
pub(crate) enum RestartOutcome {
    /// There is no Secret or no workload to restart any more.
    Obsolete,
    /// Workloads were restarted, as far as that was possible.
    Attempted {
        /// Name of the Secret that changed.
        secret: String,
        /// The change that they were restarted for.
        token: String,
        /// The result for each workload, by kind and name.
        rollouts: Vec<(String, Rollout)>,
    },
}

impl Attempt {
    /// An attempt that ended like this, without a call of AWS.
    pub(crate) const fn new(outcome: Outcome) -> Self {
        Self { outcome, accesses: Vec::new(), absence: None, intact: None, interim: None }
    }

    /// An attempt that waits for something.
    pub(crate) const fn waiting(wait: Duration, reason: Reason) -> Self {
        Self::new(Outcome::Waiting { wait, reason })
    }
}

impl From<Fault> for Attempt {
    fn from(fault: Fault) -> Self {
        Self::new(Outcome::Failed { fault, basis: None })
    }
}
