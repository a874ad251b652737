//! Output of the demo. Standard output carries nothing else.

use std::io::{Result, Write, stdout};

/// Prints the title of a step.
pub fn headline(text: &str) -> anyhow::Result<()> {
    Ok(write(&format!("\n== {text}\n"))?)
}

/// Prints a command as a user would type it.
pub fn command(text: &str) -> anyhow::Result<()> {
    Ok(write(&format!("\n$ {text}\n"))?)
}

/// Prints a paragraph.
pub fn text(text: &str) -> anyhow::Result<()> {
    Ok(write(&format!("{}\n", text.trim_end()))?)
}

fn write(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
