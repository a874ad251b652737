//! The repository: its documentation, its dependencies and its generated files agree with the code.

mod book;
pub mod commands;
mod crds;
mod dependencies;
pub mod docs;
mod manifests;
pub mod pages;
