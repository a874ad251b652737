//! Structured logs on standard error.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::{
    EnvFilter,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::telemetry::{log_lines::LogLines, panics::install_hook};

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    #[default]
    Json,
    /// Text for people.
    Text,
}

/// Prefixes of targets whose most verbose level is fixed, whatever the filter says, because they may log requests and
/// responses in full, or each attempt of a watch, which the operator reports once itself. This is a second filter rather
/// than directives of the first, where a more specific one would win.
const MAXIMUM_LEVELS: [(&str, LevelFilter); 8] = [
    ("aws_", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("kube_client", LevelFilter::ERROR),
    ("kube_runtime::watcher", LevelFilter::ERROR),
    ("rustls", LevelFilter::WARN),
    ("tokio_rustls", LevelFilter::WARN),
    ("tower", LevelFilter::WARN),
];

/// Starts logging, of panics too. `filter` is a level, or a list of `target=level`.
///
/// # Errors
/// One sentence, if the filter is not valid or logging was started before.
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    // Otherwise a misspelled level would be taken for the name of a target, and nothing would be logged.
    if let Some(word) = filter.split(',').find(|word| !word.contains('=') && word.parse::<LevelFilter>().is_err()) {
        return Err(format!(
            "The log filter {word} is neither a level nor target=level; use one of error, warn, info, debug, trace."
        ));
    }
    let directives = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(filter)
        .map_err(|error| format!("The log filter {filter} is not valid ({error}); use a level or target=level."))?;
    let registry = tracing_subscriber::registry().with(directives).with(maximum_levels());
    let started = match format {
        LogFormat::Json => registry.with(LogLines).try_init(),
        LogFormat::Text => {
            registry.with(fmt::layer().with_ansi(io::stderr().is_terminal()).with_writer(io::stderr)).try_init()
        }
    };
    started.map_err(|error| format!("Logging cannot start: {error}."))?;
    install_hook();
    Ok(())
}

fn maximum_levels() -> Targets {
    Targets::new().with_default(LevelFilter::TRACE).with_targets(MAXIMUM_LEVELS)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn targets_that_may_log_bodies_are_limited_in_all_their_modules() {
        for target in ["aws_smithy_runtime::client::orchestrator", "aws_sdk_sqs", "hyper_util::client", "kube_client"] {
            assert!(!maximum_levels().would_enable(target, &Level::INFO), "{target}");
            assert!(maximum_levels().would_enable(target, &Level::ERROR), "{target}");
        }
        for target in ["secure_parameter_operator::aws", "kube_runtime::controller"] {
            assert!(maximum_levels().would_enable(target, &Level::TRACE), "{target}");
        }
    }
}
