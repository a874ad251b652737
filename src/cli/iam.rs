//! The arguments of `iam`.

use clap::Args;

use crate::cli::output::Output;

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
