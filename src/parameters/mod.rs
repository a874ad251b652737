//! The reader of Parameter Store: an informer that watches versions and a batcher that makes the calls, behind one
//! interface for the controller and on one port to AWS. Knows no AWS crate.
//!
//! ```text
//! controller ──watch, known──> Informer ──look──┐
//!      ^                          │             ├──> Batcher ──ten names a call──> port ──> AWS
//!      │                          │ changed     │       │
//!      └──────────────────────────┘             │    Budgets of the account and region
//! controller ──read──────────────────decrypt────┘
//! ```

mod audited_client;
mod batch;
mod cache;
mod kms_decrypt;
mod port;
mod quota;
mod read_error;
mod reader;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use batch::SsmFallback;
pub use cache::{Known, LookUp, Subscriber, Terms};
pub use kms_decrypt::KmsDecryption;
pub use port::{Answer, Call, Ciphertext, Description, Descriptions, Mode, Page, Parameter, ParameterApi, Plaintext};
use quota::Priority;
pub use quota::{CallPermit, Quotas, RateLimits, TokenBucket};
pub use read_error::ReadError;
pub use reader::{Reader, Reading};

/// A new random id.
fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A random number from 0 to 1.
fn random_fraction() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
