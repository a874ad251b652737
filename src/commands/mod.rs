//! Commands that look, print and end.

pub mod iam;
mod manifests;
pub mod plugin;
