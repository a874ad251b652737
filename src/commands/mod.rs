//! Commands that look, print and end.

mod documents;
pub mod iam;
mod manifests;
pub mod migrate;
pub mod plugin;
