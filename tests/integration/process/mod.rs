//! The operator as a process: how it starts, what it says of itself while it runs, and how it ends.

mod environment;
mod open_metrics;
mod pages;
mod readiness;
mod restart;
mod shutdown;
mod startup_errors;
mod tls;
