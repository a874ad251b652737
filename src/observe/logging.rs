//! Logs: structured, to standard error.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Targets that are held at fixed levels whatever the filter says: they may print whole requests and answers.
const CAPPED: &[&str] = &[
    "aws_config=warn",
    "aws_credential_types=warn",
    "aws_runtime=warn",
    "aws_sdk_kms=warn",
    "aws_sdk_ssm=warn",
    "aws_sdk_sts=warn",
    "aws_sigv4=warn",
    "aws_smithy_http=warn",
    "aws_smithy_http_client=warn",
    "aws_smithy_json=warn",
    "aws_smithy_runtime=warn",
    "aws_smithy_runtime_api=warn",
    "aws_smithy_schema=warn",
    "h2=warn",
    "hyper=warn",
    "hyper_util=warn",
    "kube_client=error",
    "rustls=warn",
    "tower=warn",
];

/// Starts logging. `filter` is a list of `target=level`, or a level.
///
/// # Errors
/// What is wrong with the filter.
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    let mut directives = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(filter)
        .map_err(|error| format!("The log filter {filter} is not valid: {error}."))?;
    for capped in CAPPED {
        directives = directives.add_directive(capped.parse().map_err(|error| format!("{capped}: {error}"))?);
    }
    let registry = tracing_subscriber::registry().with(directives);
    let started = match format {
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(io::stderr)).try_init(),
        LogFormat::Text => {
            registry.with(fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr)).try_init()
        }
    };
    started.map_err(|error| format!("Logging cannot start: {error}."))
}
