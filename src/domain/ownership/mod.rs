//! Whose Secret is it, and is it intact?

pub(crate) mod drift;
pub(crate) mod merge;
pub(crate) mod owner;
pub(crate) mod types;
