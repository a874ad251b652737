//! May it be read? Access rules, grants and globs.

pub(crate) mod explain;
pub(crate) mod glob;
pub mod grant;
pub(crate) mod key_authority;
pub(crate) mod key_glob;
pub mod namespace;
pub mod namespace_usage;
pub mod read_authority;
