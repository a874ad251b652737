//! The kubectl plugin: what is wrong, where things come from, and requests to the operator.
//!
//! It reads no Secret, so nothing that it prints contains a value. Each command reads objects, makes text of them, and ends.

mod can_i;
mod diff;
mod printed;
mod status;
mod store;
mod suspend;
mod sync;
mod text;
mod tree;

pub use printed::Printed;

use crate::{
    cli::{ClusterArgs, PluginArgs, PluginCommand},
    kubernetes::user_session::UserSession,
};

/// Runs a command of the plugin.
///
/// # Errors
/// One sentence, if the cluster cannot be read or something that is named does not exist.
pub async fn plugin(args: PluginArgs) -> Result<Printed, String> {
    let ClusterArgs { kubeconfig, context, namespace } = args.cluster;
    let session = UserSession::open(kubeconfig, context, namespace).await?;
    match args.command {
        PluginCommand::Status(args) => status::status(&session, &args).await,
        PluginCommand::Tree(args) => tree::tree(&session, &args).await,
        PluginCommand::Sync(args) => sync::sync(&session, args).await,
        PluginCommand::Suspend(args) => suspend::suspend(&session, &args.names).await,
        PluginCommand::Resume(args) => suspend::resume(&session, &args.names).await,
        PluginCommand::Diff(args) => diff::diff(&session, &args).await,
        PluginCommand::CanI(args) => can_i::can_i(&session, &args).await,
    }
}

/// Returns the names of the SecureParameters of a namespace, for completion; none if they cannot be read.
pub async fn names(cluster: ClusterArgs) -> Vec<String> {
    let ClusterArgs { kubeconfig, context, namespace } = cluster;
    let Ok(session) = UserSession::open(kubeconfig, context, namespace).await else { return Vec::new() };
    let objects = session.secure_parameters().await.unwrap_or_default();
    objects.into_iter().filter_map(|object| object.metadata.name).collect()
}
