//! Tests of the whole reader, against an in-memory Parameter Store and under a paused clock.

mod audit_room;
mod batching;
mod direct_kms;
mod failures;
mod fairness;
mod key_discovery;
mod listings;
mod notifications;
mod property;
mod queue;
mod restart;
mod revalidation;
mod sweep;
