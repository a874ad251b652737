//! May it be read? Access rules, grants and globs.

pub(crate) mod glob;
pub mod grant;
pub mod namespace;
pub mod namespace_usage;
pub mod read_authority;
