//! Completion of the plugin's arguments, in the way of kubectl: it runs `kubectl_complete-secureparam` with the words of the
//! command line, and expects a line for each completion and then a directive of the library Cobra (Kubernetes documentation,
//! "Extend kubectl with plugins"; source of kubectl, plugin/plugin_completion.go).

use clap::{Arg, Args, Command};

use crate::cli::plugin::ClusterArgs;

/// Cobra's directive for completions that are all that there is, so that the shell offers no files.
pub const NO_FILES: &str = ":4";
/// Cobra's directive for what the shell should complete itself: files.
pub const FILES: &str = ":0";

/// Arguments of kubectl's request for completions.
#[derive(Args, Debug)]
pub struct CompletePluginArgs {
    /// The words after `kubectl secureparam`. The last one is to be completed.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

/// What a word may become.
#[derive(Debug)]
pub enum Completion {
    /// One of these.
    Words(Vec<String>),
    /// The name of a SecureParameter of this cluster.
    Names(ClusterArgs),
    /// The name of a file.
    Files,
}

/// Returns what the last of the words may become.
pub(super) fn complete(mut command: Command, words: &[String]) -> Completion {
    command.build();
    let (last, before) = words.split_last().map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let subcommand = before.iter().find_map(|word| command.find_subcommand(word));
    let current = subcommand.unwrap_or(&command);
    let expected = before.last().and_then(|word| flag(current, word)).filter(|flag| flag.get_action().takes_values());
    let starts = |candidates: Vec<String>| candidates.into_iter().filter(|word| word.starts_with(last)).collect();
    if let Some(flag) = expected {
        let values = flag.get_possible_values();
        let is_file = ["kubeconfig", "filename"].contains(&flag.get_id().as_str());
        return if is_file {
            Completion::Files
        } else {
            Completion::Words(starts(values.iter().map(|value| value.get_name().to_owned()).collect()))
        };
    }
    if last.starts_with('-') {
        let flags = current.get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(Arg::get_long);
        return Completion::Words(starts(flags.map(|long| format!("--{long}")).collect()));
    }
    match subcommand {
        None => {
            Completion::Words(starts(command.get_subcommands().map(|command| command.get_name().to_owned()).collect()))
        }
        // A parameter is no object of the cluster.
        Some(command) if command.get_positionals().all(|positional| positional.get_id() == "parameter") => {
            Completion::Words(Vec::new())
        }
        Some(_) => Completion::Names(ClusterArgs {
            kubeconfig: value(before, &["--kubeconfig"]).map(Into::into),
            context: value(before, &["--context"]),
            namespace: value(before, &["--namespace", "-n"]),
        }),
    }
}

/// The flag that a word is.
fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').filter(|short| short.len() == 1).and_then(|short| short.chars().next());
    command
        .get_arguments()
        .find(|flag| (long.is_some() && flag.get_long() == long) || (short.is_some() && flag.get_short() == short))
}

/// The value of a flag, in either spelling.
fn value(words: &[String], names: &[&str]) -> Option<String> {
    words.iter().enumerate().rev().find_map(|(index, word)| {
        let (name, value) = word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
        let is_meant = names.contains(&name);
        is_meant.then(|| value.map(str::to_owned).or_else(|| words.get(index + 1).cloned())).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn completed(line: &str) -> Completion {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        complete(cli::plugin(), &words)
    }

    #[test]
    fn commands_flags_and_values_are_completed() {
        for (line, expected) in [
            ("s", &["status", "sync", "suspend"][..]),
            ("-n shop tr", &["tree"]),
            ("status --al", &["--all-namespaces"]),
            ("sync --", &["--all", "--timeout", "--kubeconfig", "--context", "--namespace", "--help"]),
            ("tree -o ", &["text", "json"]),
            ("tree --output j", &["json"]),
            ("can-i /shop", &[]),
        ] {
            let Completion::Words(words) = completed(line) else { unreachable!("{line}: not words") };
            assert_eq!(words, expected, "{line}");
        }
    }

    #[test]
    fn names_and_files_are_asked_for() {
        let Completion::Names(cluster) = completed("sync -n shop --context=blue ch") else { unreachable!("not names") };
        assert_eq!((cluster.namespace.as_deref(), cluster.context.as_deref()), (Some("shop"), Some("blue")));
        for line in ["diff -f ", "status --kubeconfig x"] {
            assert!(matches!(completed(line), Completion::Files), "{line}");
        }
    }
}
