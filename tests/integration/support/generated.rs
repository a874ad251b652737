//! Files that are made from something else, and held equal to it.

use std::{env, fs, path::Path};

use anyhow::Result;

/// Checks that a generated file is up to date. With `UPDATE=1`, writes it. `update` names the test that does so.
pub fn same_as_file(path: &Path, text: &str, update: &str) -> Result<()> {
    if env::var_os("UPDATE").is_some() {
        return Ok(fs::write(path, text)?);
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    let hint = format!("UPDATE=1 cargo test --test integration {update}");
    assert!(found == text, "{} is out of date; run: {hint}", path.display());
    Ok(())
}
