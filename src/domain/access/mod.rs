//! May it be read? Access rules, grants and globs.

pub(crate) mod glob;
pub mod grant;
pub mod namespace;
pub mod read_authority;
