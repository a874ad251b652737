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
    /// The same without what only the platform team may know of a cluster store, if that differs.
    discreet: Option<Fault>,
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
        Self { fault, cause: Cause::Spec, discreet: None }
    }

    /// A fault of the Secret or the ServiceAccount that the store's credentials come from.
    pub(crate) const fn of_credentials(fault: Fault) -> Self {
        Self { fault, cause: Cause::Credentials, discreet: None }
    }

    /// A failure of AWS to tell whose the credentials are.
    pub(crate) const fn of_aws(fault: Fault) -> Self {
        Self { fault, cause: Cause::Aws, discreet: None }
    }

    /// The same about a ServiceAccount, which `fault` names and `discreet` does not.
    pub(crate) const fn of_service_account(fault: Fault, discreet: Fault) -> Self {
        Self { fault, cause: Cause::Aws, discreet: Some(discreet) }
    }

    /// Returns what the objects say whose session of a store could not be opened. A refused role is theirs alone.
    pub(crate) fn for_namespace(&self, store: &StoreKey) -> Fault {
        let fault = self.known_to_objects(store);
        if self.cause == Cause::Aws && fault.reason == Reason::AccessDenied {
            fault.clone()
        } else {
            self.for_objects(store)
        }
    }

    /// Reports whether STS found the session policy and the tags too large together.
    pub(crate) fn is_about_packed_policy(&self) -> bool {
        self.cause == Cause::Aws && self.fault.message.contains("PackedPolicyTooLarge")
    }

    /// Reports whether the fault is in the spec of the store, or in what it defaults to.
    pub(crate) fn is_of_spec(&self) -> bool {
        self.cause == Cause::Spec
    }

    fn known_to_objects(&self, store: &StoreKey) -> &Fault {
        match store.kind {
            StoreKind::ClusterParameterStore => self.discreet.as_ref().unwrap_or(&self.fault),
            StoreKind::ParameterStore => &self.fault,
        }
    }

    /// Returns what the objects that read from `store` say. Where the credentials of a cluster store are kept is known to
    /// the platform team alone.
    pub(crate) fn for_objects(&self, store: &StoreKey) -> Fault {
        let fault = self.known_to_objects(store);
        let problem = match (self.cause, store.kind) {
            (Cause::Aws, _) if fault.reason.is_outage() => return fault.clone(),
            (Cause::Credentials, StoreKind::ClusterParameterStore) => {
                "its credentials are missing or not valid; ask the platform team, who find the cause in its conditions."
            }
            _ => &fault.message,
        };
        Fault::new(Reason::StoreNotReady, format!("{store} is not ready: {problem}"))
    }
}

/// Returns the fault of objects whose store does not exist, or may not be read.
pub(crate) fn missing_store(store: &StoreKey, is_hidden: bool) -> Fault {
    let message = if is_hidden && store.kind == StoreKind::ClusterParameterStore {
        format!(
            "{store} cannot be used, because the operator may not read ClusterParameterStores; grant it list and watch on them \
             (rbac.clusterStores=true in the chart), or name a ParameterStore of this namespace in spec.storeRef."
        )
    } else {
        format!("{store} does not exist; create it or name another store in spec.storeRef.")
    };
    Fault::new(Reason::StoreNotFound, message)
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
    fn objects_of_a_cluster_store_do_not_learn_which_service_account_it_has() {
        let fault = |who: &str, reason| Fault::new(reason, format!("{who} may not."));
        for (reason, expected) in
            [(Reason::AccessDenied, Reason::AccessDenied), (Reason::CredentialsInvalid, Reason::CredentialsInvalid)]
        {
            let refused = StoreFault::of_service_account(fault("infra/aws", reason), fault("It", reason));
            let told = refused.for_namespace(&store(StoreKind::ClusterParameterStore));
            assert_eq!((told.reason, told.message.as_str()), (expected, "It may not."));
            let told = refused.for_objects(&store(StoreKind::ClusterParameterStore));
            assert!(!told.message.contains("infra"), "{told:?}");
            let told = refused.for_objects(&store(StoreKind::ParameterStore));
            assert!(told.message.contains("infra/aws"), "{told:?}");
        }
        let invalid = StoreFault::of_aws(fault("It", Reason::InvalidSpec));
        assert_eq!(invalid.for_namespace(&store(StoreKind::ClusterParameterStore)).reason, Reason::StoreNotReady);
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
