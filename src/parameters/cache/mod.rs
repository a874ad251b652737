//! The cache of Parameter Store: a table of versions, and the polling that keeps it current.
//!
//! ```text
//! informer ── subscribe, snapshot ──> version_table: subscriptions, observations
//!                                          │ ├── version_order: which of two answers is newer
//!                                          │ ├── first_looks: in which order names are checked that were never seen
//!                                          │ ├── check_schedule: when each name is checked again
//!                                          │ ├── revalidation: when each value is decrypted again
//!                                          │ ├── listings: when each path is listed, and what is below
//!                                          │ └── key_table: which key encrypts which parameter
//!                                          │     └── key_evidence: what access rules rely on
//! poll ── what is due ─────────────────────┘
//!   ├── version_check   } calls through the batcher; what they observe goes back to the table,
//!   ├── list_path       } and the subscribers of what changed are notified
//! key_discovery ────────┘
//!
//! informer ── a key that a rule asks for ──> description_queue ──> describe
//! ```

mod check_schedule;
mod describe;
pub(crate) mod description_queue;
mod first_looks;
pub(crate) mod informer;
mod key_discovery;
pub(crate) mod key_evidence;
mod key_table;
mod list_path;
mod listings;
pub(crate) mod observation;
mod poll;
mod revalidation_schedule;
mod running_checks;
mod shared;
pub(crate) mod snapshot;
pub(crate) mod subscription;
mod version_check;
pub(crate) mod version_order;
pub(crate) mod version_table;
mod watched_name;
