//! Credentials: those that a store brings, and the renewal of temporary ones.

pub(crate) mod digest;
pub(crate) mod refresh;
pub(crate) mod static_credentials;
