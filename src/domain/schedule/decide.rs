//! What, if anything, has to be read, and why.

/// What is known before AWS is asked.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations, each named")]
pub(crate) struct Facts {
    /// Whether a Secret was written from this store before.
    pub synced_before: bool,
    /// Whether the spec asks for another Secret than the one that was written.
    pub shape_changed: bool,
    /// Whether the annotation asks for a sync that was not done yet.
    pub sync_requested: bool,
    /// The state of the Secret.
    pub secret: SecretState,
    /// Whether the last attempt failed in a way that only a full read can clear.
    pub failing: bool,
}

/// The Secret compared with what was last written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SecretState {
    /// Everything that the operator wrote is as it was.
    Intact,
    /// Somebody changed, replaced or relabelled it.
    Drifted,
    /// It does not exist, or was never written.
    Missing,
}

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Compare the versions of the parameters with those that were recorded.
    Compare,
    /// Read and decrypt all parameters.
    Read(Purpose),
}

/// Why AWS is called: the `reason` of audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The Secret was never written.
    FirstSync,
    /// The spec asks for another Secret.
    SpecChanged,
    /// The annotation asks for a sync.
    ForcedSync,
    /// Somebody else changed the Secret.
    SecretDrifted,
    /// Somebody deleted the Secret.
    SecretMissing,
    /// The last attempt failed.
    Retry,
    /// A parameter has another version than the one recorded.
    ParameterChanged,
    /// Unchanged values are decrypted again to prove that access still stands.
    Revalidation,
    /// Versions are checked, without decryption.
    VersionCheck,
    /// STS is asked for the caller's identity.
    Identity,
    /// The key of a parameter, or the state of a key, is asked for.
    KeyState,
}

impl Purpose {
    /// Those of a repair.
    pub(crate) const REPAIRS: [Self; 2] = [Self::SecretDrifted, Self::SecretMissing];

    /// Reports whether a Secret is repaired that somebody else changed or deleted.
    pub(crate) const fn is_repair(self) -> bool {
        matches!(self, Self::SecretDrifted | Self::SecretMissing)
    }

    /// The name in audit records.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::FirstSync => "FirstSync",
            Self::SpecChanged => "SpecChanged",
            Self::ForcedSync => "ForcedSync",
            Self::SecretDrifted => "SecretDrifted",
            Self::SecretMissing => "SecretMissing",
            Self::Retry => "Retry",
            Self::ParameterChanged => "ParameterChanged",
            Self::Revalidation => "Revalidation",
            Self::VersionCheck => "VersionCheck",
            Self::Identity => "Identity",
            Self::KeyState => "KeyState",
        }
    }
}

/// Decides what to read. Where several rules apply, the first one is what a user would name as the cause.
pub(crate) const fn decide(facts: Facts) -> Decision {
    let purpose = if !facts.synced_before {
        Purpose::FirstSync
    } else if facts.sync_requested {
        Purpose::ForcedSync
    } else if facts.shape_changed {
        Purpose::SpecChanged
    } else if matches!(facts.secret, SecretState::Missing) {
        Purpose::SecretMissing
    } else if matches!(facts.secret, SecretState::Drifted) {
        Purpose::SecretDrifted
    } else if facts.failing {
        Purpose::Retry
    } else {
        return Decision::Compare;
    };
    Decision::Read(purpose)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: Facts = Facts {
        synced_before: true,
        shape_changed: false,
        sync_requested: false,
        secret: SecretState::Intact,
        failing: false,
    };

    #[test]
    fn the_cause_decides_what_is_read() {
        for (facts, expected) in [
            (HEALTHY, Decision::Compare),
            (Facts { synced_before: false, failing: true, ..HEALTHY }, Decision::Read(Purpose::FirstSync)),
            (Facts { sync_requested: true, ..HEALTHY }, Decision::Read(Purpose::ForcedSync)),
            (Facts { shape_changed: true, ..HEALTHY }, Decision::Read(Purpose::SpecChanged)),
            (Facts { secret: SecretState::Missing, ..HEALTHY }, Decision::Read(Purpose::SecretMissing)),
            (Facts { secret: SecretState::Drifted, ..HEALTHY }, Decision::Read(Purpose::SecretDrifted)),
            (Facts { failing: true, ..HEALTHY }, Decision::Read(Purpose::Retry)),
        ] {
            assert_eq!(decide(facts), expected, "{facts:?}");
        }
    }
}
