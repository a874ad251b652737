//! The Key Management Service.

pub(super) mod cipher;
mod keys;
mod operations;

pub use keys::KeyState;
pub(super) use keys::{KeyRing, SECRETS_ALIAS, SSM_ALIAS};
pub(super) use operations::{dispatch, event, key_resource};
