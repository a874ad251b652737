//! Validates arguments and environment. Only this file and `cli/environment.rs` read environment variables, apart from
//! those that the AWS and Kubernetes clients read themselves.

use std::{env, net::SocketAddr};

use uuid::Uuid;

use crate::{
    cli::{AwsArgs, CheckArgs, LeaseArgs, Output, RunArgs},
    controller::{AwsOptions, Election, Question, Reconciling, WebIdentityFile},
    domain::{access::namespace_usage::NamespaceLimits, quota_share::QuotaShare, shard::part::Part},
    kubernetes::{LeaseName, Scope},
    telemetry::LogFormat,
};

/// Name of the Lease of an operator without a selector.
const LEASE: &str = "secure-parameter-operator";

/// The variable that makes the AWS SDK log request and response bodies, which hold decrypted values.
const LOG_SENSITIVE_BODIES: &str = "LOG_SENSITIVE_BODIES";

/// The variable that makes the operator read what the access rules do not grant, for tests of what AWS does then. It exists
/// only in programs that are compiled with debug assertions, which no release is.
#[cfg(debug_assertions)]
const UNCHECKED_ACCESS: &str = "SECUREPARAMETER_TEST_UNCHECKED_ACCESS";

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
    /// How objects are reconciled.
    pub reconciling: Reconciling,
    /// Most bytes of audit records that wait to be written.
    pub audit_queue: usize,
    /// How AWS is used.
    pub aws: AwsOptions,
    /// How the leader is elected.
    pub election: Election,
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
        // The name of the pod, if the operator runs in one.
        let instance = variable("HOSTNAME").unwrap_or_else(|| "local".to_owned());
        let scope = Scope::new(args.namespaces);
        let part = Part { selector: args.watch_selector, namespaces: scope.listed().cloned() };
        Ok(Self {
            listen: args.listen,
            scope,
            log_format: args.log_format,
            log_filter: args.log_filter,
            audit_queue: usize::try_from(args.audit_queue).unwrap_or(usize::MAX).saturating_mul(1_024),
            aws: AwsOptions { quota_share: args.quota_share, ..aws_options(args.aws) },
            election: election(args.lease, part, &instance),
            reconciling: Reconciling {
                concurrency: args.limits.concurrency,
                limits: NamespaceLimits {
                    parameters: count(args.limits.max_parameters_per_namespace),
                    paths: count(args.limits.max_paths_per_namespace),
                    foreign_secrets: count(args.limits.max_foreign_secrets_per_namespace),
                    stores: count(args.limits.max_stores_per_namespace),
                },
                max_sessions: count(args.limits.max_sessions_per_store),
                is_access_checked: is_access_checked(),
                instance,
            },
        })
    }
}

/// Returns how the process takes part in the election of the leader. Its identity is new with each start, as that of
/// client-go is: a container that is restarted in its pod is another process.
fn election(args: LeaseArgs, part: Part, instance: &str) -> Election {
    let name = args.lease_name.unwrap_or_else(|| match &part.selector {
        None => LEASE.to_owned(),
        Some(selector) => format!("{LEASE}-{}", selector.suffix()),
    });
    Election {
        elects: args.leader_elect,
        lease: LeaseName { namespace: args.lease_namespace, name, part },
        duration: args.lease_duration,
        identity: format!("{instance}_{}", Uuid::new_v4()),
    }
}

/// The validated configuration of `check`.
#[derive(Debug)]
pub struct CheckConfig {
    /// What to check.
    pub question: Question,
    /// How to print.
    pub output: Output,
    /// How AWS is used.
    pub aws: AwsOptions,
}

impl CheckConfig {
    /// Combines the arguments with the environment.
    pub fn new(args: CheckArgs) -> Self {
        let CheckArgs { namespace, store, output, namespaces, aws } = args;
        // A store that is named is checked even if nothing reads from it.
        let only_used = namespace.is_some() && store.is_none();
        let scope = namespace.map_or_else(|| Scope::new(namespaces), |namespace| Scope::new([namespace]));
        Self { question: Question { scope, only_used, store }, output, aws: aws_options(aws) }
    }
}

/// Combines the arguments about AWS with the environment.
fn aws_options(args: AwsArgs) -> AwsOptions {
    AwsOptions {
        cluster_name: args.cluster_name,
        allow_node_role: args.allow_node_role,
        allow_custom_endpoints: args.allow_custom_endpoints,
        web_identity: web_identity_file(),
        quota_share: QuotaShare::default(),
    }
}

/// Reports whether the operator enforces the access rules.
#[cfg(debug_assertions)]
fn is_access_checked() -> bool {
    variable(UNCHECKED_ACCESS).is_none()
}

/// Reports whether the operator enforces the access rules: always.
#[cfg(not(debug_assertions))]
const fn is_access_checked() -> bool {
    true
}

/// Returns the role and the token of IRSA, if the environment has both.
fn web_identity_file() -> Option<WebIdentityFile> {
    Some(WebIdentityFile {
        role_arn: variable("AWS_ROLE_ARN")?,
        token_file: variable("AWS_WEB_IDENTITY_TOKEN_FILE")?,
        session_name: variable("AWS_ROLE_SESSION_NAME"),
    })
}

/// Returns an environment variable that is set and not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn count(argument: u32) -> usize {
    usize::try_from(argument).unwrap_or(usize::MAX)
}
