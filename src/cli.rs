//! The arguments of the command line.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Parser, Subcommand};

mod migrate;
mod output;

pub use migrate::MigrateArgs;
pub use output::Output;

use crate::{
    domain::{quota_share::QuotaShare, shard::selector::WatchSelector},
    telemetry::LogFormat,
};

/// Turns AWS Parameter Store SecureStrings into native Kubernetes Secrets.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator in the cluster of the current kubeconfig, or of the pod it runs in.
    Run(RunArgs),
    /// Print the CustomResourceDefinitions as YAML.
    Crds(CrdsArgs),
    /// Print the IAM policies that SecureParameters need: those in files, or those of the cluster of the current kubeconfig.
    Iam(IamArgs),
    /// Print what takes the place of objects of External Secrets Operator: of those in files, or of those of the cluster of the
    /// current kubeconfig. Nothing is changed.
    Migrate(MigrateArgs),
    /// Check for each store whether it works: its credentials, its endpoint, and the calls that its SecureParameters need.
    /// Exits with 0 if all of that works, with 1 if something does not.
    Check(CheckArgs),
}

/// Arguments of `run`. Region, credentials and endpoints of AWS are configured as for every AWS tool.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Address on which to serve /healthz, /readyz and /metrics.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,

    /// Namespaces to work in, separated by commas. The operator then needs no rights in others. Without this argument it
    /// works in all namespaces.
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACES", value_parser = namespace)]
    pub namespaces: Vec<String>,

    /// Selector of the labels of the SecureParameters to work on, such as team=a or 'team in (a,b),!legacy'. Without this
    /// argument the operator works on all. Other operators should work on the others.
    #[arg(long, value_name = "SELECTOR", value_parser = WatchSelector::parse)]
    pub watch_selector: Option<WatchSelector>,

    /// Format of the log lines on standard error. Audit records are always written to standard output as JSON.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// Log level, or a comma-separated list of target=level.
    #[arg(long, default_value = "info")]
    pub log_filter: String,

    /// Maximum number of SecureParameters of one namespace to reconcile concurrently. All namespaces share 128 beside eight of
    /// their own, so that no namespace waits for another's.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// Maximum number of distinct parameters that the SecureParameters of one namespace may read.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_parameters_per_namespace: u32,

    /// Maximum number of distinct paths that the SecureParameters of one namespace may read.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_paths_per_namespace: u32,

    /// Maximum number of distinct Secrets not owned by the operator that one namespace may refer to.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_foreign_secrets_per_namespace: u32,

    /// Maximum number of ParameterStores of one namespace.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_stores_per_namespace: u32,

    /// Maximum number of namespaces for which one ClusterParameterStore may have a session each.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub max_sessions_per_store: u32,

    /// How many KiB of audit records wait in memory for a slow reader of standard output.
    #[arg(long, value_name = "KIB", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(16..=1_048_576))]
    pub audit_queue: u32,

    /// Which operator works.
    #[command(flatten)]
    pub lease: LeaseArgs,

    /// The share of each AWS quota that this operator uses, from 0.01 to 1: of what the stores allow, and of its own limits
    /// for DescribeParameters and KMS. For operators that share the objects of a cluster, or clusters that share an account;
    /// their shares should add up to at most 1.
    #[arg(long, value_name = "SHARE", default_value = "1")]
    pub quota_share: QuotaShare,

    /// How stores are opened.
    #[command(flatten)]
    pub aws: AwsArgs,
}

/// Arguments about which of several operators works.
#[derive(Args, Debug)]
pub struct LeaseArgs {
    /// Elect a leader: of several operators with the same Lease, one works and the others stand by. Without this argument, an
    /// operator that finds another one at work is not ready and says so.
    #[arg(long)]
    pub leader_elect: bool,

    /// Name of the Lease that the operator holds while it works. Without this argument it is secure-parameter-operator, and
    /// with --watch-selector the same with a suffix that depends on the selector.
    #[arg(long, value_name = "NAME", value_parser = lease_name)]
    pub lease_name: Option<String>,

    /// Namespace of the Lease. Without this argument it is that of the pod, or of the current context of the kubeconfig.
    #[arg(long, value_name = "NAMESPACE", value_parser = namespace)]
    pub lease_namespace: Option<String>,

    /// How long after the last sign of life of an operator another one takes over, in seconds, such as 12s. The operator
    /// renews its Lease every sixth of that, and stops to write when it could not for two thirds of it.
    #[arg(long, value_name = "DURATION", default_value = "12s", value_parser = lease_duration)]
    pub lease_duration: Duration,
}

/// Arguments about how stores are opened.
#[derive(Args, Debug)]
pub struct AwsArgs {
    /// Name of this cluster, which becomes part of the names of role sessions in CloudTrail: letters, digits and the
    /// characters _.-, at most 100.
    #[arg(long, value_name = "NAME", value_parser = cluster_name)]
    pub cluster_name: Option<String>,

    /// Use the role of the node (EC2 instance profile) if the operator has no other credentials of its own. Every pod of the
    /// node can have that role too.
    #[arg(long)]
    pub allow_node_role: bool,

    /// Allow ClusterParameterStores to name endpoints of AWS. The operator then sends signed requests wherever their authors
    /// want.
    #[arg(long)]
    pub allow_custom_endpoints: bool,
}

/// Arguments of `check`. Those that `run` has too should be the same as there.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Only for this namespace: its ParameterStores, and the stores that its SecureParameters read from.
    #[arg(long, short, value_parser = namespace)]
    pub namespace: Option<String>,

    /// Only the stores with this name.
    #[arg(long)]
    pub store: Option<String>,

    /// How to print: text, or one JSON object for scripts.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,

    /// Namespaces that the operator works in, separated by commas, as for `run`. Without this argument these are all.
    #[arg(long, value_delimiter = ',', value_name = "NAMESPACES", value_parser = namespace)]
    pub namespaces: Vec<String>,

    /// How stores are opened.
    #[command(flatten)]
    pub aws: AwsArgs,
}

/// Accepts what AWS allows both in the name of a role session and in the value of a session tag.
fn cluster_name(text: &str) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    if (1..=100).contains(&text.len()) && text.bytes().all(is_allowed) {
        Ok(text.to_owned())
    } else {
        Err("write 1 to 100 letters, digits, and the characters _.-".to_owned())
    }
}

/// Checks the name of a namespace: a label of RFC 1123.
fn namespace(name: &str) -> Result<String, String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_valid = !name.is_empty() && name.len() <= 63 && name.chars().all(is_inner);
    if is_valid && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(name.to_owned());
    }
    Err("a name of a namespace has lowercase letters, digits and '-', and between 1 and 63 characters".to_owned())
}

/// Checks the name of a Lease: a subdomain of RFC 1123.
fn lease_name(name: &str) -> Result<String, String> {
    let is_label = |label: &str| namespace(label).is_ok();
    if name.len() <= 253 && name.split('.').all(is_label) {
        return Ok(name.to_owned());
    }
    Err("a name of a Lease has lowercase letters, digits, '-' and '.', and at most 253 characters".to_owned())
}

/// Checks the duration of a lease: whole seconds, since a Lease can say no others.
fn lease_duration(text: &str) -> Result<Duration, String> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<u64>().ok();
    match seconds.filter(|seconds| (2..=3_600).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err("write whole seconds, from 2s to 3600s".to_owned()),
    }
}

/// Arguments of `crds`.
#[derive(Args, Debug)]
pub struct CrdsArgs {
    /// Write one file per definition to this folder instead of standard output.
    #[arg(long, value_name = "FOLDER")]
    pub write: Option<std::path::PathBuf>,
}

/// Arguments of `iam`.
#[derive(Args, Debug)]
pub struct IamArgs {
    /// Only for SecureParameters of this namespace. Also the namespace of manifests that name none.
    #[arg(long, short)]
    pub namespace: Option<String>,

    /// Only for SecureParameters of the stores with this name.
    #[arg(long)]
    pub store: Option<String>,

    /// The AWS account, where the stores do not say it. Without it, the word ACCOUNT stands in its place.
    #[arg(long)]
    pub account: Option<String>,

    /// The AWS region, where the stores do not say it. Without it, the word REGION stands in its place.
    #[arg(long)]
    pub region: Option<String>,

    /// The issuer of the cluster's ServiceAccount tokens, for trust policies. Without it, the word ISSUER stands in its place.
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,

    /// Let patterns that match more stand for parameters whose policy would be too long for a managed policy.
    #[arg(long)]
    pub compact: bool,

    /// How to print: text with comments, or one JSON object for scripts.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,

    /// Files and folders with manifests in YAML or JSON; - for standard input. Default: the objects of the cluster.
    #[arg(value_name = "FILES")]
    pub files: Vec<std::path::PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_cluster_fits_into_names_of_sessions() {
        for (text, expected) in
            [("blue", true), ("EU_1.a-b", true), ("", false), ("a b", false), ("a/b", false), ("blü", false)]
        {
            assert_eq!(cluster_name(text).is_ok(), expected, "{text:?}");
        }
        assert!(cluster_name(&"c".repeat(100)).is_ok() && cluster_name(&"c".repeat(101)).is_err());
    }

    fn namespaces(arguments: &[&str]) -> Result<Vec<String>, String> {
        let parsed = Cli::try_parse_from([&["operator", "run"], arguments].concat());
        match parsed.map_err(|error| error.to_string())?.command {
            Command::Run(args) => Ok(args.namespaces),
            _ => unreachable!("run"),
        }
    }

    /// An empty list by mistake must not mean all namespaces.
    #[test]
    fn namespaces_are_names_and_a_list_is_never_empty() {
        assert_eq!(namespaces(&[]), Ok(Vec::new()));
        assert_eq!(namespaces(&["--namespaces", "shop,team-a"]), Ok(vec!["shop".into(), "team-a".into()]));
        for wrong in ["", "shop,", "Shop", "-shop", "shop-", "a/b", "*", &"a".repeat(64)] {
            let refused = namespaces(&[&format!("--namespaces={wrong}")]).expect_err(wrong);
            assert!(refused.contains("lowercase letters"), "{wrong}: {refused}");
        }
    }
}
