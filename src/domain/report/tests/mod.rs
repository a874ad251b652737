//! Tables for conclusions: from a remembered state and an attempt to status, Events, memory and wake-up.

mod failures;
mod restarts;
mod successes;
mod support;
