//! What a namespace may read, and with which identity.

pub mod policy;
pub mod stores;
