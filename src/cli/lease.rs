//! The arguments about which of several operators works.

use std::time::Duration;

use clap::Args;

use crate::cli::names::{lease_duration, namespace, object_name};

/// Arguments about which of several operators works.
#[derive(Args, Debug)]
#[command(next_help_heading = "Several operators")]
pub struct LeaseArgs {
    /// Elect a leader: of several operators with the same Lease, one works and the others stand by. Without this argument, an
    /// operator that finds another one at work is not ready and says so.
    #[arg(long, env = "SPO_LEADER_ELECT")]
    pub leader_elect: bool,

    /// Name of the Lease that the operator holds while it works. Without this argument it is secure-parameter-operator, and
    /// with --watch-selector the same with a suffix that depends on the selector.
    #[arg(long, env = "SPO_LEASE_NAME", value_name = "NAME", value_parser = object_name)]
    pub lease_name: Option<String>,

    /// Namespace of the Lease. Without this argument it is that of the pod, or of the current context of the kubeconfig.
    #[arg(long, env = "SPO_LEASE_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace)]
    pub lease_namespace: Option<String>,

    /// How long after the last sign of life of an operator another one takes over, in seconds, such as 12s. The operator
    /// renews its Lease every sixth of that, and stops to write when it could not for two thirds of it.
    #[arg(long, env = "SPO_LEASE_DURATION", value_name = "DURATION", default_value = "12s", value_parser = lease_duration)]
    pub lease_duration: Duration,
}
