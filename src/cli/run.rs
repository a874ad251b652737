//! The arguments of `run`.

use std::net::SocketAddr;

use clap::Args;

use crate::{
    cli::{
        aws::{AwsArgs, HEADING as AWS},
        lease::LeaseArgs,
        limits::LimitArgs,
        names::namespace,
    },
    domain::{quota_share::QuotaShare, shard::selector::WatchSelector},
    telemetry::LogFormat,
};

/// Headings of the help.
const SCOPE: &str = "What to work on";
const SERVING: &str = "Serving";
const LOGS: &str = "Logs and audit records";

/// Arguments of `run`. Region, credentials and endpoints of AWS are configured as for every AWS tool.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Namespaces to work in, separated by commas. The operator then needs no rights in others. Without this argument it
    /// works in all namespaces.
    #[arg(
        long,
        env = "SPO_NAMESPACES",
        help_heading = SCOPE,
        value_delimiter = ',',
        value_name = "NAMESPACES",
        value_parser = namespace
    )]
    pub namespaces: Vec<String>,

    /// Selector of the labels of the SecureParameters to work on, such as team=a or 'team in (a,b),!legacy'. Without this
    /// argument the operator works on all. Other operators should work on the others.
    #[arg(long, env = "SPO_WATCH_SELECTOR", help_heading = SCOPE, value_name = "SELECTOR", value_parser = WatchSelector::parse)]
    pub watch_selector: Option<WatchSelector>,

    /// Address on which to serve /healthz, /readyz and /metrics.
    #[arg(long, env = "SPO_LISTEN", help_heading = SERVING, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Format of the log lines on standard error. Audit records are always written to standard output as JSON.
    #[arg(long, env = "SPO_LOG_FORMAT", help_heading = LOGS, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// Log level, or a comma-separated list of target=level.
    #[arg(long, env = "SPO_LOG_FILTER", help_heading = LOGS, value_name = "FILTER", default_value = "info")]
    pub log_filter: String,

    /// How many KiB of audit records wait in memory for a slow reader of standard output.
    #[arg(
        long,
        env = "SPO_AUDIT_QUEUE",
        help_heading = LOGS,
        value_name = "KIB",
        default_value_t = 4096,
        value_parser = clap::value_parser!(u32).range(16..=1_048_576)
    )]
    pub audit_queue: u32,

    /// What one namespace and one store may use.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Which operator works.
    #[command(flatten)]
    pub lease: LeaseArgs,

    /// The share of each AWS quota that this operator uses, from 0.01 to 1: of what the stores allow, and of its own limits
    /// for DescribeParameters and KMS. For operators that share the objects of a cluster, or clusters that share an account;
    /// their shares should add up to at most 1.
    #[arg(long, env = "SPO_QUOTA_SHARE", help_heading = AWS, value_name = "SHARE", default_value = "1")]
    pub quota_share: QuotaShare,

    /// How stores are opened.
    #[command(flatten)]
    pub aws: AwsArgs,
}
