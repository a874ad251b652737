//! The arguments of the command line: what was typed. [`crate::config`] makes of it what it means.

mod aws;
mod check;
mod completions;
mod crds;
mod environment;
mod help;
mod iam;
mod lease;
mod limits;
mod migrate;
mod names;
mod output;
mod plugin;
mod plugin_completion;
mod run;

use std::path::Path;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use plugin::PluginCli;

pub use aws::AwsArgs;
pub use check::CheckArgs;
pub use completions::CompletionsArgs;
pub use crds::CrdsArgs;
pub use iam::IamArgs;
pub use lease::LeaseArgs;
pub use limits::LimitArgs;
pub use migrate::MigrateArgs;
pub use output::Output;
pub use plugin::{CanIArgs, ClusterArgs, DiffArgs, LookArgs, NameArgs, PluginArgs, PluginCommand, SyncArgs};
pub use plugin_completion::{CompletePluginArgs, Completion, FILES, NO_FILES};
pub use run::RunArgs;

/// Turns AWS Parameter Store SecureStrings into native Kubernetes Secrets.
#[derive(Debug, Parser)]
#[command(version, after_help = help::PROGRAM)]
pub struct Cli {
    /// The subcommand.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator in the cluster of the current kubeconfig, or of the pod it runs in.
    #[command(after_help = help::RUN)]
    Run(RunArgs),
    /// Print the CustomResourceDefinitions as YAML.
    #[command(after_help = help::CRDS)]
    Crds(CrdsArgs),
    /// Print the IAM policies that SecureParameters need: those in files, or those of the cluster of the current kubeconfig.
    #[command(after_help = help::IAM)]
    Iam(IamArgs),
    /// Print what takes the place of objects of External Secrets Operator: of those in files, or of those of the cluster of the
    /// current kubeconfig. Nothing is changed.
    #[command(after_help = help::MIGRATE)]
    Migrate(MigrateArgs),
    /// Check for each store whether it works: its credentials, its endpoint, and the calls that its SecureParameters need.
    #[command(after_help = help::CHECK)]
    Check(CheckArgs),
    /// Do what the kubectl plugin does: a copy or link of this program named kubectl-secureparam has these commands itself.
    #[command(after_help = help::PLUGIN)]
    Plugin(PluginArgs),
    /// Complete arguments of the plugin for kubectl, as a link named kubectl_complete-secureparam does itself.
    #[command(hide = true)]
    CompletePlugin(CompletePluginArgs),
    /// Print a script that lets a shell complete the commands and flags of this program.
    #[command(after_help = help::COMPLETIONS)]
    Completions(CompletionsArgs),
}

/// The name under which this program is the kubectl plugin: kubectl finds `secureparam` by it (Kubernetes documentation,
/// "Extend kubectl with plugins").
const PLUGIN: &str = "kubectl-secureparam";
/// The name under which kubectl asks this program for completions.
const PLUGIN_COMPLETION: &str = "kubectl_complete-secureparam";

/// Returns the description of the command line, with what the environment adds to it.
pub fn command() -> clap::Command {
    environment::completed(Cli::command())
}

/// Returns the description of the plugin's command line.
pub fn plugin() -> clap::Command {
    PluginCli::command()
}

/// Parses the arguments of this process. Prints help, or what is wrong with them, and ends the process where that is due.
pub fn parse() -> Command {
    let arguments: Vec<_> = std::env::args_os().collect();
    let program = arguments.first().and_then(|path| Path::new(path).file_stem());
    if program.is_some_and(|name| name == PLUGIN_COMPLETION) {
        let words = arguments.into_iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
        return Command::CompletePlugin(CompletePluginArgs { words });
    }
    let parsed = if program.is_some_and(|name| name == PLUGIN) {
        PluginCli::try_parse_from(arguments).map(|cli| Command::Plugin(cli.args))
    } else {
        let matches = command().try_get_matches_from(arguments);
        matches.and_then(|matches| Cli::from_arg_matches(&matches)).map(|cli| cli.command)
    };
    parsed.unwrap_or_else(|error| error.exit())
}

/// Returns what the last of some words after `kubectl secureparam` may become.
pub fn complete_plugin(args: &CompletePluginArgs) -> Completion {
    plugin_completion::complete(plugin(), &args.words)
}

/// Returns variables that no flag reads though their names begin as if one did: perhaps somebody mistyped one.
pub fn unknown_variables() -> Vec<String> {
    environment::unknown(&command())
}

/// Returns the script that makes a shell complete this program's arguments.
pub fn completions(args: &CompletionsArgs) -> String {
    completions::script(args.shell, command())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
        plugin().debug_assert();
    }

    fn namespaces(arguments: &[&str]) -> Result<Vec<String>, String> {
        let parsed = Cli::try_parse_from([&["operator", "run"], arguments].concat());
        match parsed.map_err(|error| error.to_string())?.command {
            Command::Run(args) => Ok(args.namespaces),
            _ => unreachable!("run"),
        }
    }

    /// An empty list by mistake must not mean all namespaces.
    #[test]
    fn namespaces_are_names_and_a_list_is_never_empty() {
        assert_eq!(namespaces(&[]), Ok(Vec::new()));
        assert_eq!(namespaces(&["--namespaces", "shop,team-a"]), Ok(vec!["shop".into(), "team-a".into()]));
        for wrong in ["", "shop,", "Shop", "-shop", "shop-", "a/b", "*", &"a".repeat(64)] {
            let refused = namespaces(&[&format!("--namespaces={wrong}")]).expect_err(wrong);
            assert!(refused.contains("lowercase letters"), "{wrong}: {refused}");
        }
    }
}
