//! What a binary needs from the machine it runs on.

use anyhow::{Context, Result, ensure};

/// Type of the program header that names a dynamic loader (`PT_INTERP`, ELF specification).
const INTERPRETER: u32 = 3;

/// Checks that a 64-bit little-endian program needs no dynamic loader, and thereby no library.
pub fn ensure_static(bytes: &[u8]) -> Result<()> {
    let number = |at: usize, length: usize| -> Result<usize> {
        let field = bytes.get(at..at + length).context("the program is cut off")?;
        Ok(field.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    };
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "this is no 64-bit program");
    let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    for entry in 0..count {
        let type_ = number(table + entry * size, 4)?;
        ensure!(type_ != INTERPRETER as usize, "the program is not static: it needs a dynamic loader");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with a table of headers of these types right behind its own header.
    fn program(types: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64, 0);
        (bytes[32], bytes[54], bytes[56]) = (64, 56, u8::try_from(types.len()).expect("few headers"));
        for &type_ in types {
            bytes.push(type_);
            bytes.resize(bytes.len() + 55, 0);
        }
        bytes
    }

    #[test]
    fn a_dynamic_program_is_refused() -> Result<()> {
        ensure_static(&program(&[6, 1, 2]))?;
        let error = ensure_static(&program(&[6, 3, 1])).expect_err("it needs a loader").to_string();
        assert!(error.contains("not static"), "{error}");
        ensure_static(b"#!/bin/sh").expect_err("a script");
        ensure_static(&program(&[1])[..70]).expect("the type of the header is there");
        ensure_static(&program(&[1])[..66]).expect_err("cut off");
        Ok(())
    }
}
