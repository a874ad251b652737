//! The arguments about how stores are opened.

use clap::Args;

use crate::cli::names::cluster_name;

/// Heading of the help.
pub(super) const HEADING: &str = "AWS";

/// Arguments about how stores are opened.
#[derive(Args, Debug)]
#[command(next_help_heading = HEADING)]
pub struct AwsArgs {
    /// Name of this cluster, which becomes part of the names of role sessions in CloudTrail: letters, digits and the
    /// characters _.-, at most 100.
    #[arg(long, env = "SPO_CLUSTER_NAME", value_name = "NAME", value_parser = cluster_name)]
    pub cluster_name: Option<String>,

    /// Use the role of the node (EC2 instance profile) if the operator has no other credentials of its own. Every pod of the
    /// node can have that role too.
    #[arg(long, env = "SPO_ALLOW_NODE_ROLE")]
    pub allow_node_role: bool,

    /// Allow ClusterParameterStores to name endpoints of AWS. The operator then sends signed requests wherever their authors
    /// want.
    #[arg(long, env = "SPO_ALLOW_CUSTOM_ENDPOINTS")]
    pub allow_custom_endpoints: bool,
}
