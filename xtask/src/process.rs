//! Other programs.

use std::{env, ffi::OsString, process::Command};

use anyhow::{Context, Result, ensure};

use crate::repository::root;

/// A command that runs in the repository.
pub fn command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    command.current_dir(root());
    command
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs a command whose output people see.
pub fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("{} cannot be started", program.display()))?;
    ensure!(status.success(), "{} failed with {status}", program.display());
    Ok(())
}

/// Runs a command and returns what it prints, without the line break at the end.
pub fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("{} cannot be started", program.display()))?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed with {}: {}", program.display(), output.status, error.trim());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
