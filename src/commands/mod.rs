//! Commands that look, print and end.

pub mod iam;
