//! What the tests of the reader use: an in-memory Parameter Store behind the port, and a reader in front of it.

mod fake_api;
mod fake_store;
mod harness;
pub(crate) mod names;

pub(crate) use fake_store::{FakeStore, LoggedCall};
pub(crate) use harness::{Harness, plan};
pub(crate) use names::{
    KEY, labelled, name_without_selector, needed, object, optional, parameter_ref, scope, subscriber, version,
};
