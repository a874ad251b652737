//! What is said: status, Events and messages.

pub(crate) mod attempt;
mod aws_fault;
pub(crate) mod conclude;
pub(crate) mod event_format;
pub(crate) mod events;
pub(crate) mod fault;
pub(crate) mod key_warning;
pub mod next_step;
mod ready_condition;
mod restart_condition;
pub(crate) mod restart_summary;
pub(crate) mod status;
pub(crate) mod subject;
pub(crate) mod text;

#[cfg(test)]
mod tests;
