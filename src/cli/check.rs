//! The arguments of `check`.

use clap::Args;

use crate::cli::{aws::AwsArgs, names::namespace, output::Output};

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
    #[arg(long, env = "SPO_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACES", value_parser = namespace)]
    pub namespaces: Vec<String>,

    /// How stores are opened.
    #[command(flatten)]
    pub aws: AwsArgs,
}
