//! Stores: where parameters are read, and with which identity.

pub(crate) mod activity;
mod conclude;
pub(crate) mod connections;
pub(crate) mod fault;
pub(crate) mod figures;
pub(crate) mod gateway;
mod load_source;
pub(crate) mod object;
pub(crate) mod open;
pub(crate) mod open_session;
pub(crate) mod pace;
pub(crate) mod readers;
pub(crate) mod reconcile;
pub(crate) mod sessions;
mod source;
pub(crate) mod written_status;
