//! What is said: status, Events and messages.

pub mod attempt;
pub mod attempt_events;
mod aws_fault;
pub mod conclude;
mod conclude_restart;
pub mod event;
pub mod fault;
pub mod key_warning;
pub mod rollouts;
pub mod status;
pub mod subject;
pub mod text;

#[cfg(test)]
mod tests;
