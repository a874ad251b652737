//! What the reader promises, against a Parameter Store in memory and under a paused clock.

mod batcher;
mod faults;
mod informer;
mod notices;
mod pending;
mod property;
