//! How the demo talks: to standard output, which carries nothing else.

use std::io::{Result, Write, stdout};

/// What comes next.
pub fn headline(text: &str) -> anyhow::Result<()> {
    Ok(write(&format!("\n== {text}\n"))?)
}

/// A command as a user would type it.
pub fn command(text: &str) -> anyhow::Result<()> {
    Ok(write(&format!("\n$ {text}\n"))?)
}

/// Anything else.
pub fn text(text: &str) -> anyhow::Result<()> {
    Ok(write(&format!("{}\n", text.trim_end()))?)
}

fn write(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
