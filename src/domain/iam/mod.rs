//! What does AWS have to allow? Policies of IAM for sessions and for the owners of roles.

mod patterns;
pub(crate) mod policy;
pub(crate) mod session_policy;
mod translate;
mod widen;
