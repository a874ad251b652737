//! Tests of the fake over HTTP, with signed requests. The client shares only the signer with the server.

mod callers;
mod client;
mod decrypting;
mod faults;
mod keys;
mod listing;
mod paths;
mod reading;
mod records;
mod references;
mod sessions;
mod writing;
