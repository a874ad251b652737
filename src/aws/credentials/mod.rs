//! Credentials: those that a store brings, sessions of roles, and their renewal.

pub(crate) mod assume_role;
pub(crate) mod digest;
mod load_failures;
pub(crate) mod refresh;
pub(crate) mod refusal;
pub(crate) mod static_credentials;
pub(crate) mod web_identity;
