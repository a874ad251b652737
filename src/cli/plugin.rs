//! The arguments of the kubectl plugin.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::cli::{
    help,
    names::{namespace, object_name, patience},
    output::Output,
};

/// Shows what the Secure Parameter Operator does in a cluster, and asks it for more.
#[derive(Debug, Parser)]
#[command(name = "kubectl-secureparam", bin_name = "kubectl secureparam", version, after_help = help::PLUGIN)]
pub(super) struct PluginCli {
    /// What to do.
    #[command(flatten)]
    pub(super) args: PluginArgs,
}

/// Arguments of the plugin.
#[derive(Args, Debug)]
pub struct PluginArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: PluginCommand,
}

/// Arguments about the cluster and the namespace, which have the names of kubectl's.
#[derive(Args, Debug)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Path of the kubeconfig. Default: KUBECONFIG, or ~/.kube/config.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Name of the context in the kubeconfig. Default: the current one.
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,

    /// Namespace to look at. Default: that of the context.
    #[arg(long, short, global = true, value_parser = namespace)]
    pub namespace: Option<String>,
}

/// The commands of the plugin.
#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Show which SecureParameters and stores are not fine, why, and what to do.
    #[command(after_help = help::STATUS)]
    Status(LookArgs),
    /// Draw stores, the SecureParameters that read from them, their parameters with versions, keys of the Secret, workloads.
    #[command(after_help = help::TREE)]
    Tree(LookArgs),
    /// Let the operator read the parameters now, and wait until it has done so.
    #[command(after_help = help::SYNC)]
    Sync(SyncArgs),
    /// Stop reads and writes for SecureParameters.
    #[command(after_help = help::SUSPEND)]
    Suspend(NameArgs),
    /// Let reads and writes for suspended SecureParameters go on.
    #[command(after_help = help::SUSPEND)]
    Resume(NameArgs),
    /// Show which keys of a Secret a changed manifest would change. Values are neither read nor shown.
    #[command(after_help = help::DIFF)]
    Diff(DiffArgs),
    /// Show whether the access rules let a namespace read a parameter, and which rule does or would have to.
    #[command(after_help = help::CAN_I)]
    CanI(CanIArgs),
}

/// Arguments of `status` and `tree`.
#[derive(Args, Debug)]
pub struct LookArgs {
    /// Only this SecureParameter, and its store.
    #[arg(value_parser = object_name)]
    pub name: Option<String>,

    /// Look at all namespaces.
    #[arg(long, short = 'A', conflicts_with_all = ["name", "namespace"])]
    pub all_namespaces: bool,

    /// How to print: text, or one JSON object for scripts.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

/// Arguments of `sync`.
#[derive(Args, Debug)]
pub struct SyncArgs {
    /// The SecureParameters to sync.
    #[arg(required_unless_present = "all", conflicts_with = "all", value_parser = object_name)]
    pub names: Vec<String>,

    /// Sync all SecureParameters of the namespace that are not suspended.
    #[arg(long)]
    pub all: bool,

    /// How long to wait for all of them, such as 90s or 5m; 0s asks and does not wait.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = patience)]
    pub timeout: Duration,
}

/// Arguments of `suspend` and `resume`.
#[derive(Args, Debug)]
pub struct NameArgs {
    /// The SecureParameters.
    #[arg(required = true, value_parser = object_name)]
    pub names: Vec<String>,
}

/// Arguments of `diff`.
#[derive(Args, Debug)]
pub struct DiffArgs {
    /// Of the manifests, only this SecureParameter. Without a manifest: what its own spec would change in the Secret as it was
    /// last written.
    #[arg(required_unless_present = "filename", value_parser = object_name)]
    pub name: Option<String>,

    /// File or folder with changed manifests; - for standard input. Other kinds in it are ignored.
    #[arg(long, short, value_name = "FILE")]
    pub filename: Vec<PathBuf>,

    /// How to print: text, or one JSON object for scripts.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}

/// Arguments of `can-i`.
#[derive(Args, Debug)]
pub struct CanIArgs {
    /// The parameter as a SecureParameter names it: /shop/db-password, or an ARN. With a slash at its end: everything below
    /// that path.
    pub parameter: String,

    /// Only this ClusterParameterStore.
    #[arg(long, value_name = "NAME")]
    pub store: Option<String>,

    /// List all namespaces that may read the parameter.
    #[arg(long, conflicts_with = "namespace")]
    pub list: bool,

    /// How to print: text, or one JSON object for scripts.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,
}
