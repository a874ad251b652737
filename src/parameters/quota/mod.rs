//! How fast AWS may be called, and which call goes first.

pub(crate) mod admission;
mod bucket;
pub(crate) mod claim;
pub(crate) mod priority;
pub(crate) mod quotas;
pub(crate) mod turns;
pub(crate) mod waits;
