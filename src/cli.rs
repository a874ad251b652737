//! Arguments as typed.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

use crate::telemetry::LogFormat;

/// Turns AWS Parameter Store SecureStrings into native Kubernetes Secrets.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator against the cluster of the kubeconfig or of the pod.
    Run(RunArgs),
    /// Print the CustomResourceDefinitions as YAML.
    Crds(CrdsArgs),
}

/// Arguments of `run`. Region, credentials and endpoints of AWS come from the environment, as for every AWS tool.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Address of /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Form of log lines on standard error. Audit records go to standard output as JSON in either case.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// What to log: a level, or a list of target=level.
    #[arg(long, default_value = "info")]
    pub log_filter: String,

    /// Most objects reconciled at a time.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
}

/// Arguments of `crds`.
#[derive(Args, Debug)]
pub struct CrdsArgs {
    /// Write one file per definition into this folder instead of printing.
    #[arg(long, value_name = "FOLDER")]
    pub write: Option<std::path::PathBuf>,
}
