//! The arguments of `migrate`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output::Output;

/// Arguments of `migrate`.
#[derive(Args, Debug)]
pub struct MigrateArgs {
    /// Only the objects of this namespace, and the cluster stores. Also the namespace of manifests that name none.
    #[arg(long, short)]
    pub namespace: Option<String>,

    /// How to print: YAML to apply, with comments, or one JSON object for scripts.
    #[arg(long, short, value_enum, default_value_t)]
    pub output: Output,

    /// Files and folders with manifests in YAML or JSON; - for standard input. Default: the objects of the cluster.
    #[arg(value_name = "FILES")]
    pub files: Vec<PathBuf>,
}
