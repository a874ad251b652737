//! Logs: structured, to standard error.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Beginnings of targets that are held at fixed levels whatever the filter says: they may print whole requests and
/// answers. Not by directives of the filter, where a more specific one would win.
const CAPPED: [(&str, LevelFilter); 7] = [
    ("aws_", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("kube_client", LevelFilter::ERROR),
    ("rustls", LevelFilter::WARN),
    ("tokio_rustls", LevelFilter::WARN),
    ("tower", LevelFilter::WARN),
];

/// Starts logging. `filter` is a list of `target=level`, or a level.
///
/// # Errors
/// What is wrong with the filter.
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    // A misspelled level would pass as the name of a target, and silence everything.
    if let Some(word) = filter.split(',').find(|word| !word.contains('=') && word.parse::<LevelFilter>().is_err()) {
        return Err(format!(
            "The log filter {word} is neither a level nor target=level; levels are error, warn, info, debug, trace."
        ));
    }
    let directives = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(filter)
        .map_err(|error| format!("The log filter {filter} is not valid: {error}."))?;
    let registry = tracing_subscriber::registry().with(directives).with(cap());
    let started = match format {
        LogFormat::Json => registry.with(fmt::layer().json().flatten_event(true).with_writer(io::stderr)).try_init(),
        LogFormat::Text => {
            registry.with(fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr)).try_init()
        }
    };
    started.map_err(|error| format!("Logging cannot start: {error}."))
}

fn cap() -> Targets {
    Targets::new().with_default(LevelFilter::TRACE).with_targets(CAPPED)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn what_may_print_bodies_is_capped_down_to_its_modules() {
        for target in ["aws_smithy_runtime::client::orchestrator", "aws_sdk_sqs", "hyper_util::client", "kube_client"] {
            assert!(!cap().would_enable(target, &Level::INFO), "{target}");
            assert!(cap().would_enable(target, &Level::ERROR), "{target}");
        }
        for target in ["secure_parameter_operator::aws", "kube_runtime::watcher"] {
            assert!(cap().would_enable(target, &Level::TRACE), "{target}");
        }
    }
}
