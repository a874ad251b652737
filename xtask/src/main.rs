//! Commands of maintainers: `cargo xtask release` makes the files of a release, `cargo xtask verify` runs the checks
//! that take too long for every change.

#![expect(clippy::print_stderr, reason = "a program for people, who read its progress in the terminal")]

mod process;
mod release;
mod repository;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use release::Architecture;

/// Commands of maintainers of the Secure Parameter Operator.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the files of a release from the commit that is checked out: binaries, image, chart, manifests, SBOM, checksums
    Release {
        /// An empty or absent folder for the files; without this argument it is target/dist, which is emptied
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Only for this architecture; without this argument for all whose toolchain is installed
        #[arg(long, value_enum, value_name = "ARCHITECTURE")]
        arch: Option<Architecture>,
    },
    /// Build the operator for this machine and write the root file system of the image, for builders such as the Dockerfile
    ImageRoot {
        /// The folder to write to
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
    /// Run the checks that take long, print their results as a table, and write them to docs/verified.md
    Verify {
        /// Only these steps; without this argument all
        #[arg(value_name = "STEP")]
        steps: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Release { out, arch } => release::run(out.as_deref(), arch),
        Command::ImageRoot { out } => release::image_root(&out),
        Command::Verify { steps } => verify::run(&steps),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
