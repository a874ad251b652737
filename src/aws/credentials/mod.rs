//! Credentials: those that a store brings, sessions of roles, and their renewal.

pub(crate) mod assume_role;
pub(crate) mod digest;
pub(crate) mod refresh;
pub(crate) mod static_credentials;
pub(crate) mod web_identity;
