//! The arguments about what one namespace and one store may use.

use clap::Args;

use crate::cli::names::positive;

/// Arguments about what one namespace and one store may use.
#[derive(Args, Debug)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Maximum number of SecureParameters of one namespace to reconcile concurrently. All namespaces share 128 beside eight of
    /// their own, so that no namespace waits for another's.
    #[arg(long, env = "SPO_CONCURRENCY", value_name = "COUNT", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// Maximum number of distinct parameters that the SecureParameters of one namespace may read.
    #[arg(long, env = "SPO_MAX_PARAMETERS_PER_NAMESPACE", value_name = "COUNT", default_value_t = 10_000, value_parser = positive())]
    pub max_parameters_per_namespace: u32,

    /// Maximum number of distinct paths that the SecureParameters of one namespace may read.
    #[arg(long, env = "SPO_MAX_PATHS_PER_NAMESPACE", value_name = "COUNT", default_value_t = 500, value_parser = positive())]
    pub max_paths_per_namespace: u32,

    /// Maximum number of distinct Secrets not owned by the operator that one namespace may refer to.
    #[arg(long, env = "SPO_MAX_FOREIGN_SECRETS_PER_NAMESPACE", value_name = "COUNT", default_value_t = 500, value_parser = positive())]
    pub max_foreign_secrets_per_namespace: u32,

    /// Maximum number of ParameterStores of one namespace.
    #[arg(long, env = "SPO_MAX_STORES_PER_NAMESPACE", value_name = "COUNT", default_value_t = 50, value_parser = positive())]
    pub max_stores_per_namespace: u32,

    /// Maximum number of namespaces for which one ClusterParameterStore may have a session each.
    #[arg(long, env = "SPO_MAX_SESSIONS_PER_STORE", value_name = "COUNT", default_value_t = 500, value_parser = positive())]
    pub max_sessions_per_store: u32,
}
