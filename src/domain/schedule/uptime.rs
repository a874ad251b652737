//! Monotonic time, as an argument.

use std::time::Duration;

/// Time since the operator started. What is scheduled in memory is reckoned in it, since the wall clock may jump.
pub(crate) type Uptime = Duration;
