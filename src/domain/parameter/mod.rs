//! Which parameter is meant? Names, ARNs, versions and KMS keys.

pub mod arn;
pub mod key;
pub mod name;
pub mod path_query;
pub mod revision;
pub mod scope;
pub mod selector;
