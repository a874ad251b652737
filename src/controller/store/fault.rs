//! Why a store has no connection: what its own conditions say, and what its objects say.

use crate::controller::index::StoreKey;
use crate::{
    api::{Reason, StoreKind},
    domain::Fault,
};

/// Why a store has no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreFault {
    /// What the store's conditions say.
    pub(crate) fault: Fault,
    /// Where the fault is.
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Spec,
    Credentials,
    Aws,
}

impl StoreFault {
    /// A fault in the spec of the store, or in what it defaults to.
    pub(crate) const fn of_spec(fault: Fault) -> Self {
        Self { fault, cause: Cause::Spec }
    }

    /// A fault of the Secret or the ServiceAccount that the store's credentials come from.
    pub(crate) const fn of_credentials(fault: Fault) -> Self {
        Self { fault, cause: Cause::Credentials }
    }

    /// A failure of AWS to tell whose the credentials are.
    pub(crate) const fn of_aws(fault: Fault) -> Self {
        Self { fault, cause: Cause::Aws }
    }

    /// Returns what the objects that read from `store` say. Where the credentials of a cluster store are kept is known to
    /// the platform team alone.
    pub(crate) fn for_objects(&self, store: &StoreKey) -> Fault {
        let Self { fault, cause } = self;
        let problem = match (cause, store.kind) {
            (Cause::Aws, _) if fault.reason.is_outage() => return fault.clone(),
            (Cause::Credentials, StoreKind::ClusterParameterStore) => {
                "its credentials are missing or not valid; ask the platform team, who find the cause in its conditions."
            }
            _ => &fault.message,
        };
        Fault::new(Reason::StoreNotReady, format!("{store} is not ready: {problem}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(kind: StoreKind) -> StoreKey {
        StoreKey { kind, namespace: None, name: "mail".to_owned() }
    }

    #[test]
    fn only_objects_of_the_same_namespace_learn_where_the_credentials_are() {
        let fault = Fault::new(Reason::CredentialsInvalid, "Secret infra/aws is not valid.");
        let fault = StoreFault::of_credentials(fault);
        let told = fault.for_objects(&store(StoreKind::ClusterParameterStore));
        assert_eq!(told.reason, Reason::StoreNotReady);
        assert!(!told.message.contains("infra") && told.message.contains("ClusterParameterStore mail"), "{told:?}");
        let told = fault.for_objects(&store(StoreKind::ParameterStore));
        assert_eq!(told.reason, Reason::StoreNotReady);
        assert_eq!(told.message, "ParameterStore mail is not ready: Secret infra/aws is not valid.");
    }

    #[test]
    fn an_outage_of_aws_is_an_outage_of_the_objects() {
        for (reason, expected) in
            [(Reason::CredentialsInvalid, Reason::CredentialsInvalid), (Reason::AccessDenied, Reason::StoreNotReady)]
        {
            let fault = StoreFault::of_aws(Fault::new(reason, "A sentence."));
            assert_eq!(fault.for_objects(&store(StoreKind::ClusterParameterStore)).reason, expected);
        }
    }
}
