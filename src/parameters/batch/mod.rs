//! All reads of one identity: de-duplicated, ten names to a call, within the rate limit, retried and audited.
//!
//! ```text
//! batcher ── request ──> queue ── next_call ──> dispatch ── match_response ──> reply
//!                          ^                        │  ├── missing_version: is it the parameter or its version?
//!                          │                        │  └── direct_kms: KMS decrypts instead of Parameter Store
//!                          └── retry, split ── failure
//! ```

mod batch_window;
pub(crate) mod batcher;
mod direct_kms;
mod dispatch;
mod failing;
mod failure;
mod in_flight;
mod isolation;
mod match_response;
mod missing_version;
mod next_call;
pub(crate) mod queue;
mod record_call;
pub(crate) mod requests;
mod shared;
mod split;
pub(crate) mod ssm_fallback;
mod state;
mod wait_for_call;
