//! What does AWS have to allow? Policies of IAM for sessions and for the owners of roles.

pub(crate) mod advice;
mod documents;
mod needs;
mod patterns;
mod policy;
pub(crate) mod session_policy;
pub(crate) mod store;
mod translate;
pub(crate) mod trust;
mod widen;
