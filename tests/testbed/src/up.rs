//! `testbed up`: a control plane and a fake AWS for experiments.

use std::io::Write;

use anyhow::Result;
use testbed::{control_plane::ControlPlane, fake_aws::FakeAws, tools::say};
use tokio::signal::unix::{SignalKind, signal};

/// Starts both, prints how to reach them, and runs until SIGINT or SIGTERM.
pub async fn run() -> Result<()> {
    // Installed first, so that a signal during the start ends what has been started.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let work = async {
        let control_plane = ControlPlane::start().await?;
        let aws = FakeAws::start().await?;
        print_environment(&control_plane, &aws)?;
        say("ready; press Ctrl-C to stop");
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// Prints the environment as lines for a shell to evaluate.
fn print_environment(control_plane: &ControlPlane, aws: &FakeAws) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "export KUBECONFIG={}", quoted(&control_plane.kubeconfig().display().to_string()))?;
    for (name, value) in aws.environment() {
        writeln!(output, "export {name}={}", quoted(&value))?;
        // The command line of AWS reads the region from this variable alone.
        if name == "AWS_REGION" {
            writeln!(output, "export AWS_DEFAULT_REGION={}", quoted(&value))?;
        }
    }
    Ok(output.flush()?)
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
