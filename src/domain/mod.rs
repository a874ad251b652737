//! The pure stages of a reconcile. No I/O, no clock (time is an argument), no async: every rule here is a function
//! from values to values with a table of tests.
//!
//! ```text
//! spec + policy ──plan──> Plan ──decide──> Decision ──(look up)──resolve──(read)──> values ──render──> Desired
//!     existing Secret ──ownership──> Verdict ──(apply)──> outcome ──> status, next wake-up
//! ```

pub mod audit;
pub mod aws_error;
mod aws_fault;
pub mod backoff;
pub mod bounds;
pub mod decide;
mod digest;
pub mod dotenv;
pub mod event;
mod extract;
pub mod fault;
mod glob;
pub mod json;
pub mod key;
pub mod listing;
pub mod mapping;
pub mod merge;
pub mod outcome;
pub mod ownership;
pub mod parameter;
pub mod plan;
pub mod policy;
pub mod render;
pub mod resolve;
pub mod restart;
pub mod revision;
pub mod secret_type;
pub mod template;
pub mod text;

pub use fault::Fault;

#[cfg(test)]
mod property;
