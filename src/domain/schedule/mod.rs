//! When is something done?

pub mod absence;
pub mod backoff;
pub mod compare;
pub mod decide;
pub mod hold;
pub mod object_state;
pub mod repair_limit;
pub mod restart;
pub mod uptime;
