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

mod answer;
mod batcher;
mod budget;
mod by_hand;
mod caller;
mod error;
mod index;
mod informer;
mod keys;
mod listings;
mod pending;
mod port;
mod priority;
mod quota;
mod reader;
mod revalidations;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use batcher::Detour;
pub use budget::{Budget, Spent};
pub use by_hand::Opening;
pub use error::ReadError;
pub use index::{Subscriber, Terms};
pub use informer::{Known, LookUp};
pub use port::{Answer, Call, Ciphertext, Description, Descriptions, Mode, Page, Parameter, ParameterApi, Plaintext};
use priority::Priority;
pub use quota::{Budgets, Quotas};
pub use reader::{Reader, Reading};

/// A new random id.
fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A random number from 0 to 1.
fn random_fraction() -> f64 {
    f64::from(uuid::Uuid::new_v4().as_fields().0) / f64::from(u32::MAX)
}
