//! What the operator decides. No I/O, no clock (time is an argument), no async: every rule here is a function from values
//! to values with a table of tests.
//!
//! Each module answers one question:
//!
//! - `parameter`: Which parameter is meant?
//! - `access`: May it be read?
//! - `identity`: As whom is it read?
//! - `iam`: What does AWS have to allow?
//! - `migrate`: What do objects of External Secrets Operator mean here?
//! - `plan`: What is read, and which keys does it become?
//! - `secret`: What does the Secret hold?
//! - `ownership`: Whose Secret is it, and is it intact?
//! - `schedule`: When is something done?
//! - `report`: What is said: status, Events and messages?
//! - `audit`: What is recorded of each call?
//! - `lease`: Which process does all of this?
//! - `shard`: Which of several operators does it for which object?
//!
//! A reconcile passes through them in this order:
//!
//! 1. `plan` turns the spec into reads, and `access` allows or refuses them.
//! 2. `ownership` tells whether the Secret is intact, and `schedule` decides whether AWS has to be called.
//! 3. If so, `ownership` decides whether the Secret may be written. Only then are the parameters read.
//! 4. `secret` renders the values into the data of the Secret, which is then written.
//! 5. `report` turns the outcome into status and Events, with the time of the next look.
//!
//! `parameter` serves all of them, and `audit` describes the calls that are made meanwhile.

pub mod access;
pub(crate) mod audit;
pub(crate) mod aws_error;
mod digest;
pub(crate) mod iam;
pub(crate) mod identity;
pub(crate) mod lease;
pub(crate) mod migrate;
pub(crate) mod ownership;
pub mod parameter;
pub(crate) mod plan;
pub mod quota_share;
pub mod report;
pub(crate) mod schedule;
pub(crate) mod secret;
pub(crate) mod shard;
pub(crate) mod small_map;
mod steps;

pub use report::fault::Fault;

#[cfg(test)]
mod policy_tables;
#[cfg(test)]
mod property_tests;
