//! Validates arguments and environment. Only this file reads environment variables, apart from those that the AWS and
//! Kubernetes clients read themselves.

use std::{env, net::SocketAddr};

use crate::{cli::RunArgs, domain::access::namespace_usage::NamespaceLimits, kubernetes::Scope, telemetry::LogFormat};

/// The variable that makes the AWS SDK log request and response bodies, which hold decrypted values.
const LOG_SENSITIVE_BODIES: &str = "LOG_SENSITIVE_BODIES";

/// The validated configuration of `run`.
#[derive(Debug)]
pub struct Config {
    /// Address of /healthz, /readyz and /metrics.
    pub listen: SocketAddr,
    /// The namespaces to work in.
    pub scope: Scope,
    /// Format of log lines.
    pub log_format: LogFormat,
    /// A log level, or a list of `target=level`.
    pub log_filter: String,
    /// Most `SecureParameter`s of one namespace that are reconciled concurrently.
    pub concurrency: u16,
    /// The most that each namespace may use.
    pub limits: NamespaceLimits,
    /// Most bytes of audit records that wait to be written.
    pub audit_queue: usize,
    /// Name of this process in Events: the name of the pod, if it runs in one.
    pub instance: String,
}

impl Config {
    /// Combines the arguments with the environment.
    ///
    /// # Errors
    /// One sentence, if the environment would make values leak into the log.
    pub fn new(args: RunArgs) -> Result<Self, String> {
        if env::var(LOG_SENSITIVE_BODIES).is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
            return Err(format!(
                "{LOG_SENSITIVE_BODIES}=true would write decrypted values to the log; unset it to start the operator."
            ));
        }
        Ok(Self {
            listen: args.listen,
            scope: Scope::new(args.namespaces),
            log_format: args.log_format,
            log_filter: args.log_filter,
            concurrency: args.concurrency,
            limits: NamespaceLimits {
                parameters: count(args.max_parameters_per_namespace),
                paths: count(args.max_paths_per_namespace),
                foreign_secrets: count(args.max_foreign_secrets_per_namespace),
                stores: count(args.max_stores_per_namespace),
            },
            audit_queue: usize::try_from(args.audit_queue).unwrap_or(usize::MAX).saturating_mul(1_024),
            instance: env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "local".to_owned()),
        })
    }
}

fn count(argument: u32) -> usize {
    usize::try_from(argument).unwrap_or(usize::MAX)
}
