//! The operator as a process: how it starts, what it says of itself while it runs, and how it ends.

mod environment;
mod lacking;
mod open_metrics;
mod pages;
mod refusals;
mod shutdown;
