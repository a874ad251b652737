//! The kubectl plugin: what is wrong, where things come from, and requests to the operator.
//!
//! It reads no Secret, so nothing that it prints contains a value. Each command reads objects, makes text of them, and ends.

mod can_i;
mod diff;
mod status;
mod store;
mod suspend;
mod sync;
mod text;
mod tree;

use serde::Serialize;

use crate::{
    cli::{ClusterArgs, Output, PluginArgs, PluginCommand},
    domain::report::text::printable,
    kubernetes::user_session::UserSession,
};

/// What a command prints, and whether all is well.
#[derive(Debug)]
pub struct Printed {
    /// The output.
    pub text: String,
    /// What failed, a sentence a line.
    pub errors: String,
    /// Whether the exit status is that of success.
    pub is_ok: bool,
}

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

impl Printed {
    fn new(text: String, is_ok: bool) -> Self {
        Self { text, errors: String::new(), is_ok }
    }

    /// Prints what came of several objects.
    fn lines(results: impl IntoIterator<Item = Result<String, String>>) -> Self {
        let mut printed = Self::new(String::new(), true);
        for result in results {
            let text = if result.is_ok() { &mut printed.text } else { &mut printed.errors };
            printed.is_ok &= result.is_ok();
            *text += &printable(&result.unwrap_or_else(|error| error));
            text.push('\n');
        }
        printed
    }
}

/// Prints values as text or JSON.
fn print<T: Serialize>(output: Output, values: &T, text: impl FnOnce() -> String) -> Result<String, String> {
    match output {
        Output::Text => Ok(text()),
        Output::Json => serde_json::to_string_pretty(values)
            .map(|json| json + "\n")
            .map_err(|error| format!("Cannot print JSON: {error}.")),
    }
}
