//! Second stage: what, if anything, has to be read.

/// What is known before AWS is asked.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent observations, each named")]
pub struct Known {
    /// A Secret was written for this store and target at some time.
    pub synced_before: bool,
    /// The spec shapes another Secret than the one that was written.
    pub shape_changed: bool,
    /// The annotation asks for a sync that was not done yet.
    pub sync_requested: bool,
    /// The state of the Secret.
    pub secret: SecretState,
    /// The last attempt failed in a way that only a full read can clear.
    pub failing: bool,
}

/// The Secret against what was last written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretState {
    /// As last written, or changed by others only where that is theirs to change.
    Intact,
    /// What is ours was changed.
    Drifted,
    /// It does not exist.
    Missing,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing, if the versions are as recorded.
    Compare,
    /// Read and decrypt everything.
    Decrypt(Purpose),
}

/// Why parameters are read: the `reason` of audit records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nothing was ever written.
    FirstSync,
    /// The spec asks for something else.
    SpecChanged,
    /// The annotation asks for it.
    ForcedSync,
    /// The Secret was changed by somebody else.
    SecretDrifted,
    /// The Secret was deleted.
    SecretMissing,
    /// The last attempt failed.
    Retry,
    /// A look saw another version.
    ParameterChanged,
    /// Unchanged values are decrypted again, to prove that access still stands.
    Revalidation,
    /// Look at versions only.
    VersionCheck,
    /// Learn who the operator is.
    Identity,
    /// Learn which key encrypts a parameter, or the state of a key.
    KeyState,
}

impl Purpose {
    /// The name as it stands in audit records.
    pub const fn as_str(self) -> &'static str {
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

/// Decides what to read. The order of the rules is the order of what a user would give as the reason.
pub const fn decide(known: &Known) -> Decision {
    let purpose = if !known.synced_before {
        Purpose::FirstSync
    } else if known.sync_requested {
        Purpose::ForcedSync
    } else if known.shape_changed {
        Purpose::SpecChanged
    } else if matches!(known.secret, SecretState::Missing) {
        Purpose::SecretMissing
    } else if matches!(known.secret, SecretState::Drifted) {
        Purpose::SecretDrifted
    } else if known.failing {
        Purpose::Retry
    } else {
        return Decision::Compare;
    };
    Decision::Decrypt(purpose)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: Known = Known {
        synced_before: true,
        shape_changed: false,
        sync_requested: false,
        secret: SecretState::Intact,
        failing: false,
    };

    #[test]
    fn decisions() {
        for (known, expected) in [
            (HEALTHY, Decision::Compare),
            (Known { synced_before: false, failing: true, ..HEALTHY }, Decision::Decrypt(Purpose::FirstSync)),
            (Known { sync_requested: true, ..HEALTHY }, Decision::Decrypt(Purpose::ForcedSync)),
            (Known { shape_changed: true, ..HEALTHY }, Decision::Decrypt(Purpose::SpecChanged)),
            (Known { secret: SecretState::Missing, ..HEALTHY }, Decision::Decrypt(Purpose::SecretMissing)),
            (Known { secret: SecretState::Drifted, ..HEALTHY }, Decision::Decrypt(Purpose::SecretDrifted)),
            (Known { failing: true, ..HEALTHY }, Decision::Decrypt(Purpose::Retry)),
        ] {
            assert_eq!(decide(&known), expected, "{known:?}");
        }
    }
}
