//! Implements the reader's port to AWS with the AWS SDK. The only folder that uses AWS crates.
//!
//! The SDK's retries are off. The reader limits, audits and retries each attempt itself.

mod call_recorder;
mod calls;
pub(crate) mod client;
mod convert_error;
pub(crate) mod credentials;
pub(crate) mod endpoints;
mod environment;
mod fence;
mod http_client;
pub(crate) mod identity;
pub(crate) mod options;
mod sts_recorder;
