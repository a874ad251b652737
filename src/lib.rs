//! Secure Parameter Operator: turns AWS Parameter Store `SecureString`s into native Kubernetes Secrets.
//!
//! ```text
//!  SecureParameter watch ─┐
//!  Secret metadata watch ─┤                        ┌─> Secret (server-side apply, metadata-only answer)
//!  stores, namespaces ────┼─> queue ─> reconcile ──┼─> status, restart of workloads
//!  Parameter Store ───────┤    (one object)        └─> audit records ─> JSON log, Events
//!  (polled) ──────────────┘         │
//!                                   └─> domain: plan ─> decide ─> [parameters: fetch] ─> render ─> apply ─> conclude
//! ```
//!
//! Folders are layers. `tests/integration/layers.rs` checks which may use which, and that no two files import each
//! other.
//!
//! | Module | Contains | May use |
//! | --- | --- | --- |
//! | [`cli`], [`config`] | arguments and environment | all |
//! | [`api`] | the Kubernetes contract: kinds, conditions, reasons, names | |
//! | [`domain`] | pure decisions | `api` |
//! | `background` | tasks that nobody awaits | |
//! | `leadership` | whether this process may write | |
//! | `parameters` | the reader of Parameter Store and its port to AWS | `background`, `domain`, `api` |
//! | `aws` | the adapters behind that port; the only folder with AWS crates | `parameters`, `background`, `leadership`, `domain`, `api` |
//! | [`kubernetes`] | the only folder that calls the Kubernetes API | `background`, `leadership`, `domain`, `api` |
//! | [`telemetry`] | logs, metrics, audit stream, health | `domain`, `api` |
//! | [`commands`] | commands that print something and end | all but `controller` |
//! | [`controller`] | the reconciles and the preflight, which connect all of these | all but `cli`, `commands` and `config` |

pub mod api;
pub mod cli;
pub mod commands;
pub mod config;
pub mod controller;
pub mod domain;
pub mod kubernetes;
pub mod telemetry;

mod aws;
mod background;
mod leadership;
mod parameters;
