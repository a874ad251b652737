//! What a namespace may read, and with which identity.

mod limits;
mod namespaces;
mod policy;
mod stores;
