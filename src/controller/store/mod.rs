//! Stores: where and as whom is read.

pub mod connections;
pub mod readers;
pub mod reconcile;
