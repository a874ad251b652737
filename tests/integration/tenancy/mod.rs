//! What a namespace may read, and with which identity.

mod credentials;
mod endpoints;
mod foreign_secrets;
mod keys;
mod limits;
mod namespaces;
mod policy;
mod stores;
