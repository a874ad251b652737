//! The test bed as a program: `testbed prepare`, `testbed up` and `testbed demo`.

mod demo;
mod up;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A real Kubernetes control plane and a fake AWS on this machine, for the Secure Parameter Operator.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build or find every program of the test bed, so that later runs start at once
    Prepare,
    /// Start control plane and fake AWS, print the environment to use them, and run until Ctrl-C
    Up,
    /// Show the operator at work: a Secret appears and follows its parameter
    Demo(demo::DemoArgs),
}

fn main() -> ExitCode {
    match run(&Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            testbed::tools::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(async {
        match command {
            Command::Prepare => tokio::task::spawn_blocking(testbed::tools::prepare).await?,
            Command::Up => up::run().await,
            Command::Demo(args) => demo::run(args).await,
        }
    });
    // Dropping the runtime would wait for an interrupted build, which ends with this process anyway.
    runtime.shutdown_background();
    result
}
