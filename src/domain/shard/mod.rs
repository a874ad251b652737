//! WHOSE is an object? Operators that share a cluster (shards) each watch a part of it, and say which in their Leases. Where
//! parts overlap, one of them handles an object and the others leave it alone.

pub(crate) mod part;
pub(crate) mod roster;
pub(crate) mod selector;
pub(crate) mod shards;
