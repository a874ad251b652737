//! Reconciles `SecureParameter`s. [`reconcile`] is the whole pipeline; its siblings are the stages with I/O.

#![expect(clippy::result_large_err, reason = "an attempt ends once in a reconcile, so its size costs nothing")]

mod apply;
pub(crate) mod compiled;
mod fetch;
mod finalize;
mod finalizer;
mod inputs;
mod inspect;
mod keys;
mod merge;
mod precondition;
mod publish;
mod reconcile;
mod restart;
pub(crate) mod state;
pub(crate) mod subscriptions;
mod versions;
mod writer;

pub(crate) use reconcile::reconcile;
