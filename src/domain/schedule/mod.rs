//! When is something done?

pub mod backoff;
pub mod decide;
pub mod restart;
