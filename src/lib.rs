//! Secure Parameter Operator: AWS Parameter Store `SecureString`s as native Kubernetes Secrets.
//!
//! ```text
//!  SecureParameter watch ─┐
//!  Secret metadata watch ─┤                        ┌─> Secret (server-side apply, metadata-only answer)
//!  stores, namespaces ────┴─> queue ─> reconcile ──┼─> status
//!                                  │               └─> audit records ─> JSON log, Events
//!                                  └─> domain: plan ─> decide ─> [parameters: read] ─> render ─> ownership ─> outcome
//! ```
//!
//! Folders are layers; `tests/integration/layers.rs` holds them apart:
//!
//! | Module | Holds | May use |
//! | --- | --- | --- |
//! | `cli`, `config` | arguments and environment | all |
//! | `api` | the Kubernetes contract | |
//! | `domain` | the pure stages | `api` |
//! | `parameters` | the reader and the port to AWS | `domain`, `api` |
//! | `aws` | adapters behind that port; the only place with AWS crates | `parameters`, `domain`, `api` |
//! | `kubernetes` | the only place that calls the Kubernetes API | `domain`, `api` |
//! | `telemetry` | logs, metrics, audit stream, health | `domain`, `api` |
//! | `controller` | reconciles that wire the stages | all of these |

pub mod api;
pub mod aws;
pub mod cli;
pub mod config;
pub mod controller;
pub mod domain;
pub mod kubernetes;

pub mod parameters;
pub mod telemetry;

#[cfg(test)]
mod random;
