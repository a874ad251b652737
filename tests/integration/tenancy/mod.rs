//! What a namespace may read, and with which identity.

mod credentials;
mod limits;
mod namespaces;
mod policy;
mod stores;
