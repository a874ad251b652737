//! How fast AWS may be called, and which call goes first.

pub(crate) mod bucket;
pub(crate) mod priority;
pub(crate) mod quotas;
