//! How fast AWS may be asked, and who goes first.

mod bucket;
mod priority;
mod quotas;

pub use bucket::{CallPermit, TokenBucket};
pub use priority::Priority;
pub use quotas::{Quotas, RateLimits};
