//! Random ids and numbers.

/// Returns a new random UUID.
pub(crate) fn id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Returns a random number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
