//! May it be read? The access rules of a store, and what they grant to a namespace.

pub mod glob;
pub mod grant;
pub mod read_authority;
