//! Stores: where parameters are read, and with which identity.

mod conclude;
pub(crate) mod connections;
mod credential_health;
pub(crate) mod object;
mod open;
pub(crate) mod readers;
pub(crate) mod reconcile;
pub(crate) mod written_status;
