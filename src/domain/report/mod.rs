//! What is said: status, Events and messages.

mod aws_fault;
pub mod event;
pub mod fault;
pub mod status;
pub mod text;
