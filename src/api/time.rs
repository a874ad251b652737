//! Times as the Kubernetes API keeps them.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

/// `time` in whole seconds.
pub fn to_time(time: Timestamp) -> Time {
    let seconds = time.as_second();
    Time(Timestamp::from_second(seconds).unwrap_or(time))
}
