//! Times, counts and logs every reconcile.

use kube::runtime::controller::Action;

use crate::api::Reason;

/// How a reconcile ended.
#[derive(Debug)]
pub(crate) struct Reconciled {
    /// Its outcome, as metrics count it.
    pub(crate) reason: Reason,
    /// When to reconcile again.
    pub(crate) action: Action,
}
