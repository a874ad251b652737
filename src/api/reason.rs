//! The one closed list of reasons: of conditions, of Events and of metric labels alike.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Why an object is as it is. The text of a variant is its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name),+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name as it stands in conditions, Events and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }
        }
    };
}

reasons! {
    /// The Secret holds what the parameters say.
    Synced,
    /// Nothing was reported yet: shown by the API server itself.
    Progressing,
    /// `spec.suspend` is true.
    Suspended,
    /// The spec asks for something that no schema can refuse but that cannot be done.
    InvalidSpec,
    /// Two sources give the same key.
    KeyCollision,
    /// A template cannot be rendered.
    TemplateError,
    /// A value is not what the spec says it is.
    ValueError,
    /// KMS does not take a value for what was encrypted by hand.
    CiphertextInvalid,
    /// Nothing is left below a path.
    PathEmpty,
    /// The Secret would exceed 1 MiB.
    SecretTooLarge,
    /// `spec.storeRef` names a store that does not exist.
    StoreNotFound,
    /// The store exists but cannot serve.
    StoreNotReady,
    /// No rule of the store grants the parameter to the namespace.
    PolicyDenied,
    /// Parameters do not exist.
    ParameterNotFound,
    /// Parameters exist, but not with this version or label.
    VersionNotFound,
    /// IAM denies an SSM or STS action.
    AccessDenied,
    /// IAM, the key policy or a grant denies `kms:Decrypt`.
    DecryptDenied,
    /// The KMS key is disabled, pending deletion, or gone.
    KeyUnavailable,
    /// AWS does not accept the credentials, or there are none.
    CredentialsInvalid,
    /// No connection to the AWS endpoint.
    EndpointUnreachable,
    /// AWS throttled the account, or the read waits for its turn for long.
    Throttled,
    /// AWS answered with an internal error, or with something unreadable.
    ServiceUnavailable,
    /// A Secret of that name exists and is not ours.
    SecretConflict,
    /// Another field manager keeps changing the Secret.
    SecretContested,
    /// The API server refused the write of the Secret.
    SecretWriteFailed,
    /// Of the condition `Restarted`: workloads are to be restarted, after a quiet period or once they can be.
    RestartPending,
    /// Of the condition `Restarted`: workloads were restarted after the Secret changed.
    Restarted,
    /// Of the condition `Restarted`: workloads could not be restarted.
    RestartFailed,
}

/// What a reason means for the `Stalled` and `Reconciling` conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is in the way.
    Done,
    /// The operator will get there by itself: `Reconciling`.
    Retrying,
    /// Somebody must act: `Stalled`.
    Stalled,
}

impl Reason {
    /// How `Ready=False` with this reason is shown to tools that follow kstatus.
    pub const fn progress(self) -> Progress {
        match self {
            Self::Synced | Self::Suspended | Self::RestartPending | Self::Restarted | Self::RestartFailed => {
                Progress::Done
            }
            Self::Progressing
            | Self::StoreNotFound
            | Self::StoreNotReady
            | Self::CredentialsInvalid
            | Self::EndpointUnreachable
            | Self::Throttled
            | Self::ServiceUnavailable
            | Self::SecretContested
            | Self::SecretWriteFailed => Progress::Retrying,
            Self::InvalidSpec
            | Self::KeyCollision
            | Self::TemplateError
            | Self::ValueError
            | Self::CiphertextInvalid
            | Self::PathEmpty
            | Self::SecretTooLarge
            | Self::PolicyDenied
            | Self::ParameterNotFound
            | Self::VersionNotFound
            | Self::AccessDenied
            | Self::DecryptDenied
            | Self::KeyUnavailable
            | Self::SecretConflict => Progress::Stalled,
        }
    }

    /// Whether what was read is in the way, not the reading: to read the same again does not help.
    pub const fn concerns_values(self) -> bool {
        matches!(
            self,
            Self::KeyCollision
                | Self::TemplateError
                | Self::ValueError
                | Self::CiphertextInvalid
                | Self::PathEmpty
                | Self::SecretTooLarge
        )
    }

    /// Whether the Secret itself is what stands in the way.
    pub const fn concerns_secret(self) -> bool {
        matches!(self, Self::SecretConflict | Self::SecretContested | Self::SecretWriteFailed)
    }

    /// Whether AWS is merely out of reach for a while: a good Secret keeps its object Ready for three intervals.
    pub const fn is_outage(self) -> bool {
        matches!(
            self,
            Self::CredentialsInvalid | Self::EndpointUnreachable | Self::Throttled | Self::ServiceUnavailable
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
