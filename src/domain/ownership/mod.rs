//! Whose Secret is it, and is it intact?

pub mod drift;
pub mod merge;
pub mod owner;
pub mod types;
