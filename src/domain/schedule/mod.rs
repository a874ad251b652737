//! When is something done?

pub(crate) mod absence;
pub(crate) mod backoff;
pub(crate) mod compare;
pub(crate) mod comparison;
pub(crate) mod correction_limit;
pub(crate) mod decide;
pub(crate) mod failures;
pub(crate) mod history;
pub(crate) mod hold;
pub(crate) mod object_state;
pub(crate) mod repair_limit;
pub(crate) mod restart;
pub(crate) mod uptime;
