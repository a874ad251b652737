//! The arguments of `crds`.

use clap::Args;

/// Arguments of `crds`.
#[derive(Args, Debug)]
pub struct CrdsArgs {
    /// Write one file per definition to this folder instead of standard output.
    #[arg(long, value_name = "FOLDER")]
    pub write: Option<std::path::PathBuf>,
}
