//! Where credentials come from, and how they stay fresh.

pub mod refresh;
pub mod static_credentials;

pub use static_credentials::{ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN, StaticCredentials};
