//! All integration tests: the real binary on a real control plane, with the fake AWS or moto behind it. One binary, a
//! module a behaviour, so that everything is linked once.

mod api;
mod audit;
mod canary;
mod chart;
mod clients;
mod counts;
mod decryption;
mod dependencies;
mod docs;
mod drift;
mod failures;
mod layers;
mod main_job;
mod merge;
mod moto;
mod ownership;
mod paths;
mod process;
mod restart;
mod schema;
mod sources;
mod status;
mod support;
mod values;
mod workloads;
