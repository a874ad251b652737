//! Where AWS is called: by the rules of AWS for a region, or at endpoints that a store names.

mod custom;
pub(super) mod link_local;
pub(crate) mod options;
#[cfg(test)]
mod tests;
