//! What is read? The spec becomes a plan of reads.

pub(crate) mod compiled;
pub(crate) mod conflict;
pub(crate) mod from_spec;
pub(crate) mod key_changes;
pub(crate) mod name_filter;
pub(crate) mod path_source;
pub(crate) mod resolve;
pub(crate) mod types;
