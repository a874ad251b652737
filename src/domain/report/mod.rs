//! What is said: status, Events and messages.

pub mod attempt;
mod aws_fault;
pub mod conclude;
pub mod event_format;
pub mod events;
pub mod fault;
pub mod key_warning;
mod ready_condition;
mod restart_condition;
pub mod restart_summary;
pub mod status;
pub mod subject;
pub mod text;

#[cfg(test)]
mod tests;
