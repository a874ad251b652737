//! What is read? The spec becomes a plan of reads.

pub mod conflict;
pub mod from_spec;
pub mod name_filter;
pub mod path_source;

pub mod resolve;
pub mod types;
