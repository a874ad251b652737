//! What is read? The spec becomes a plan of reads.

pub mod plan;
pub mod resolve;
