//! All integration tests: the real binary on a real control plane, with the fake AWS or moto behind it. They are one
//! binary, so that everything is linked once. Folders are behaviours.

mod attacks;
mod audit;
mod chart;
mod check;
mod command_line;
mod counts;
mod election;
mod failures;
mod gitops;
mod iam;
mod identities;
mod image;
mod layers;
mod main_job;
mod migrate;
mod monitoring;
mod moto;
#[cfg(target_os = "linux")]
mod node;
mod ownership;
mod plugin;
mod process;
mod random;
mod repo;
mod rollout;
mod schema;
mod secret;
mod sources;
mod support;
mod tenancy;
