//! The repository: its documentation, its dependencies and its generated files agree with the code.

mod crds;
mod dependencies;
pub mod docs;
