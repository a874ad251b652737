//! What is read: names, ARNs, versions and keys of parameters.

pub mod key;
pub mod name;
pub mod path_query;
pub mod revision;
