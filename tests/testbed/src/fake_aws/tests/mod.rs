//! The fake as its callers meet it: over HTTP, signed, by a client that shares nothing with the server but the signer.

mod callers;
mod client;
mod decrypting;
mod keys;
mod listing;
mod paths;
mod reading;
mod references;
mod sessions;
mod trail;
mod trouble;
mod writing;
