//! What a Secret holds: values, composed keys, types; and that values show nowhere else.

mod decryption;
mod leaks;
mod values;
