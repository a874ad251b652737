//! The informer for Parameter Store: a table of versions, and the sweeps that keep it current.

pub mod informer;
pub mod key_table;
pub mod listings;
pub mod revalidation;
pub mod table;

pub use informer::{Known, LookUp};
pub use table::{Subscriber, Terms};
