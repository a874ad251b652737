//! Where values come from: paths, versions, ciphertext, Secrets Manager.

mod kms_decrypt;
mod layering;
mod paths;
mod previous_version;
mod secrets_manager;
mod spellings;
