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

    #[test]
    fn a_dynamic_program_is_refused() -> Result<()> {
        // Tests of a host with the GNU library are dynamic programs.
        let this = std::fs::read(std::env::current_exe()?)?;
        let error = ensure_static(&this).expect_err("this program needs a loader").to_string();
        assert!(error.contains("not static"), "{error}");
        // The same without its program headers.
        let mut bytes = this.clone();
        bytes[56..58].fill(0);
        ensure_static(&bytes)?;
        ensure_static(b"#!/bin/sh").expect_err("a script");
        ensure_static(&this[..60]).expect_err("cut off");
        Ok(())
    }
}
