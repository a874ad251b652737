//! On whose behalf a call waits for its turn, and how urgently.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::Instant;

use crate::domain::audit::ObjectRef;
use crate::parameters::quota::priority::Priority;

/// A namespace that has a call made.
pub(crate) type Tenant = Arc<str>;

/// Most tenants that one name or path waits for at a time. With more of them, its turn comes soon in any case.
const MAX_TENANTS: usize = 100;

/// A claim to a turn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Claim {
    /// How urgent it is.
    pub(crate) priority: Priority,
    /// Whose turn it takes.
    pub(crate) tenant: Tenant,
}

/// What there is to call for at one place in the queue: its claims, and since when each waits.
pub(crate) type Claims = BTreeMap<Claim, Instant>;

impl Claim {
    /// Returns a claim of one tenant.
    pub(crate) fn new(priority: Priority, tenant: &str) -> Self {
        Self { priority, tenant: Tenant::from(tenant) }
    }

    /// Returns a claim of each namespace that these objects are in. Objects of no namespace share one. At least one.
    pub(crate) fn of_objects<'a>(priority: Priority, objects: impl IntoIterator<Item = &'a ObjectRef>) -> Vec<Self> {
        let mut namespaces = BTreeSet::new();
        for object in objects {
            if namespaces.len() == MAX_TENANTS {
                break;
            }
            namespaces.insert(object.namespace.as_deref().unwrap_or_default());
        }
        if namespaces.is_empty() {
            namespaces.insert("");
        }
        namespaces.into_iter().map(|namespace| Self::new(priority, namespace)).collect()
    }
}

/// Returns these claims, waiting since `now`.
pub(crate) fn waiting_since(claims: impl IntoIterator<Item = Claim>, now: Instant) -> Claims {
    claims.into_iter().map(|claim| (claim, now)).collect()
}
