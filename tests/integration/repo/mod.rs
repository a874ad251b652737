//! The repository: its documentation, its dependencies and its generated files agree with the code.

mod book;
mod commands;
mod crds;
mod dependencies;
mod docs;
mod manifests;
mod pages;
