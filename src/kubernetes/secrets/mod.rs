//! Secrets: their metadata is read, their data is written and never read back.

pub mod errors;
mod managed_fields;
pub mod write;

pub use errors::WriteError;
pub use write::{Desired, Secrets};
