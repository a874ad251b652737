//! The fake as its callers meet it: over HTTP, signed, by a client that shares nothing with the server but the signer.

mod callers;
mod client;
mod keys;
mod listing;
mod reading;
mod sessions;
mod trail;
mod trouble;
mod writing;
