//! What the reader promises, against a Parameter Store in memory and under a paused clock.

mod batcher;
mod direct;
mod faults;
mod informer;
mod keys;
mod listings;
mod notices;
mod pending;
mod property;
mod revalidation;
