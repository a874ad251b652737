//! What the tests stand on: a world of their own each, and ways to look at it.

mod operator;
mod world;

pub use operator::Operator;
pub use world::{PATIENCE, World, definitions, message, object, store};
