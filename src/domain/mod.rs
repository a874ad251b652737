//! The pure stages of a reconcile. No I/O, no clock (time is an argument), no async: every rule here is a function
//! from values to values with a table of tests.
//!
//! ```text
//! spec + policy ──plan──> Plan ──decide──> Decision ──(look up)──resolve──(read)──> values ──render──> Desired
//!     existing Secret ──ownership──> Verdict ──(apply)──> outcome ──> status, next wake-up
//! ```

pub mod access;
pub(crate) mod audit;
pub(crate) mod aws_error;
mod digest;
pub(crate) mod ownership;
pub mod parameter;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod schedule;
pub(crate) mod secret;

pub use report::fault::Fault;

#[cfg(test)]
mod property_tests;
