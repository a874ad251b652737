//! Where values come from: parameters, paths, versions, ciphertext, Secrets Manager.

mod kms_decrypt;
mod layering;
mod paths;
