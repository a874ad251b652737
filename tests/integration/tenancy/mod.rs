//! What a namespace may read, and with which identity.

mod namespaces;
mod policy;
mod stores;
