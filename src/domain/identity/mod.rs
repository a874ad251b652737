//! As whom is read? The identities of stores, and the sessions that follow from them.

pub(crate) mod session;
pub(crate) mod session_name;
pub(crate) mod store_identity;
