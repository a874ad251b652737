//! Tests of the fake over HTTP, with signed requests. The client shares only the signer with the server.

mod callers;
mod chains;
mod client;
mod decrypting;
mod faults;
mod keys;
mod listing;
mod paths;
mod permissions;
mod pod_identity;
mod reading;
mod records;
mod references;
mod regions;
mod renewal;
mod sessions;
mod tokens;
mod writing;
