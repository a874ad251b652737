//! What a Secret holds: values, composed keys, types, decrypted by which keys; and that values appear nowhere else.

mod decryption;
mod leaks;
mod templates;
mod types;
mod values;
