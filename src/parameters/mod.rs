//! The reader of Parameter Store: a cache that watches versions and a batcher that reads values, behind one interface
//! for the controller and in front of one port to AWS. No AWS crate is used here.
//!
//! ```text
//! controller ── watch, snapshot ──> cache ── versions ──┐
//!      ^                              │                 ├──> batch ── ten names a call ──> port ──> AWS
//!      │                              │ changed         │      │
//!      └──────────────────────────────┘                 │    quota: rate limits of the account and region
//! controller ── read ──────────────────── values ───────┘
//! ```

mod audit_room;
mod audited_client;
mod batch;
mod cache;
mod credential_health;
mod first_page;
mod identity;
mod key_facts;
mod key_states;
mod kms_decrypt;
mod outcome;
mod port;
mod quota;
mod random;
mod read_error;
mod read_values;
mod reader;
mod reading;
mod retry;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(crate) use cache::{
    snapshot::{LookupResult, Snapshot},
    subscription::{Subscriber, WatchOptions},
    version_order::VersionAge,
};
pub(crate) use identity::identify;
pub(crate) use key_facts::{KeyNeed, NeededVersion};
pub(crate) use kms_decrypt::KmsDecryption;
pub(crate) use port::{
    Attempt, Ciphertext, DescribeParametersPage, GetParametersByPathPage, GetParametersResult, NAMES_PER_CALL,
    Parameter, ParameterApi, ParameterDescription, Plaintext, ReadMode,
};
pub(crate) use quota::{quotas::Quotas, waits::WaitObserver};
pub(crate) use read_error::ReadError;
pub(crate) use reader::Reader;
pub(crate) use reading::Reading;
