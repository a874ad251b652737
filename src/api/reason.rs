//! The one closed list of reasons: of conditions, of Events and of metric labels alike.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Why an object is as it is. A variant's text is its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $name),+
        }

        impl Reason {
            /// Every reason, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The name in conditions, Events and metrics.
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
    /// The operator has not reported yet. The API server itself shows this.
    Progressing,
    /// `spec.suspend` is true.
    Suspended,
    /// The spec asks for something impossible that the schema could not refuse.
    InvalidSpec,
    /// Two sources have the same key.
    KeyCollision,
    /// A template cannot be rendered.
    TemplateError,
    /// A value is not what the spec says it is.
    ValueError,
    /// KMS cannot decrypt a value that was encrypted before it was stored.
    CiphertextInvalid,
    /// A path has no parameters.
    PathEmpty,
    /// The Secret would exceed 1 MiB.
    SecretTooLarge,
    /// `spec.storeRef` names a store that does not exist.
    StoreNotFound,
    /// The store exists, but nothing can be read through it.
    StoreNotReady,
    /// The namespace uses more parameters, paths, Secrets or stores than the operator allows.
    NamespaceLimitReached,
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
    /// AWS rejects the credentials, or there are none.
    CredentialsInvalid,
    /// The AWS endpoint does not answer.
    EndpointUnreachable,
    /// AWS throttles the account, or a read has waited long for its turn.
    Throttled,
    /// AWS answered with an internal error or with something unreadable.
    ServiceUnavailable,
    /// A bug of the operator ended the work on the object.
    InternalError,
    /// A Secret of that name exists and belongs to somebody else.
    SecretConflict,
    /// Another field manager keeps changing the Secret.
    SecretContested,
    /// The API server refused the write of the Secret.
    SecretWriteFailed,
    /// For the condition `Restarted`: workloads will be restarted, after a quiet period or once they can be.
    RestartPending,
    /// For the condition `Restarted`: workloads were restarted after the Secret changed.
    Restarted,
    /// For the condition `Restarted`: workloads could not be restarted.
    RestartFailed,
}

/// What a reason means for the conditions `Stalled` and `Reconciling`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is wrong.
    Done,
    /// The operator tries again by itself: `Reconciling`.
    Retrying,
    /// Somebody must act: `Stalled`.
    Stalled,
}

impl Reason {
    /// How tools that follow kstatus see `Ready=False` with this reason.
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
            | Self::NamespaceLimitReached
            | Self::PolicyDenied
            | Self::ParameterNotFound
            | Self::VersionNotFound
            | Self::AccessDenied
            | Self::DecryptDenied
            | Self::KeyUnavailable
            | Self::InternalError
            | Self::SecretConflict => Progress::Stalled,
        }
    }

    /// Reports whether the values are at fault rather than the read, so that reading them again does not help.
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

    /// Reports whether the Secret itself is at fault.
    pub const fn concerns_secret(self) -> bool {
        matches!(self, Self::SecretConflict | Self::SecretContested | Self::SecretWriteFailed)
    }

    /// Reports whether AWS is merely out of reach for a while. A good Secret then keeps its object Ready for some time.
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
