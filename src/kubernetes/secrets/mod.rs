//! Secrets: reads their metadata and the credentials of stores, and writes the operator's own.

pub(crate) mod errors;
mod hand_over;
pub(crate) mod managed_fields;
pub(crate) mod read;
pub(crate) mod write;
