//! Adapters between the reader's port and the AWS SDK. The only place that names AWS crates.
//!
//! The SDK's own retries are off: every attempt is limited and audited by the reader, and retried by the controller.

mod call_recorder;
mod calls;
mod client;
mod credentials;
mod errors;
mod sts_recorder;

pub use client::{Aws, AwsApi, Identity};
pub use credentials::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, StaticCredentials};
