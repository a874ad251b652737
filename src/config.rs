//! From arguments and environment to what they mean. Only here is the environment read, besides what the AWS and
//! Kubernetes clients read of theirs.

use std::{env, net::SocketAddr};

use crate::{cli::RunArgs, telemetry::LogFormat};

/// Variable that makes the AWS SDK log bodies with values in clear.
const LOG_SENSITIVE_BODIES: &str = "LOG_SENSITIVE_BODIES";

/// A validated configuration of `run`.
#[derive(Debug)]
pub struct Config {
    /// Address of /healthz, /readyz and /metrics.
    pub listen: SocketAddr,
    /// Form of log lines.
    pub log_format: LogFormat,
    /// What to log.
    pub log_filter: String,
    /// Most objects reconciled at a time.
    pub concurrency: u16,
    /// Names this process in Events: the pod's name in a cluster.
    pub instance: String,
}

impl Config {
    /// Reads the environment beside the arguments.
    ///
    /// # Errors
    /// One sentence, if the environment would make values leak.
    pub fn new(args: RunArgs) -> Result<Self, String> {
        let leaks = env::var(LOG_SENSITIVE_BODIES).is_ok_and(|value| value.eq_ignore_ascii_case("true"));
        if leaks {
            return Err(format!(
                "{LOG_SENSITIVE_BODIES}=true would write decrypted values to the log; unset it, the operator does not \
                 start with it."
            ));
        }
        Ok(Self {
            listen: args.listen,
            log_format: args.log_format,
            log_filter: args.log_filter,
            concurrency: args.concurrency,
            instance: env::var("HOSTNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "local".to_owned()),
        })
    }
}
