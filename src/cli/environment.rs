//! What the environment adds to the command line. Besides [`crate::config`], only this file reads environment variables.

use std::{collections::BTreeSet, env};

use clap::{Arg, ArgAction, Command, builder::BoolishValueParser};

/// Variables whose absence means everything. An empty one is refused as an empty argument is, so that a variable which
/// somebody forgot to fill never widens what the operator works on.
const WIDENING: &[&str] = &["SPO_NAMESPACES", "SPO_WATCH_SELECTOR"];

/// Completes a command line: flags take values, so that a variable can set them and the command line can unset them; an
/// empty variable counts as none; help names the variables and never what they hold.
pub(super) fn completed(command: Command) -> Command {
    let command = command.mut_args(|arg| if arg.get_env().is_some() { from_environment(arg) } else { arg });
    command.mut_subcommands(completed)
}

fn from_environment(arg: Arg) -> Arg {
    let arg = arg.hide_env_values(true);
    let arg = if matches!(arg.get_action(), ArgAction::SetTrue) { boolean(arg) } else { arg };
    let is_empty = arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    let is_widening = WIDENING.iter().any(|name| arg.get_env().is_some_and(|variable| variable == *name));
    if is_empty && !is_widening { arg.env(None::<&'static str>) } else { arg }
}

/// Returns variables that begin like those of flags but are read by none. Those that Kubernetes makes for a Service that is
/// named `spo` are not meant (Kubernetes documentation, "Service", environment variables).
pub(super) fn unknown(command: &Command) -> Vec<String> {
    let commands = command.get_subcommands();
    let known: BTreeSet<_> = commands.flat_map(Command::get_arguments).filter_map(Arg::get_env).collect();
    let ours = env::vars_os().map(|(name, _)| name).filter(|name| !known.contains(name.as_os_str()));
    let names = ours.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with("SPO_"));
    let mut names: Vec<_> = names.filter(|name| !name.contains("_SERVICE_") && !name.contains("_PORT")).collect();
    names.sort();
    names
}

/// `--flag`, `--flag=true` and `--flag=false`, and what people write in variables: 1, yes, on and their opposites.
fn boolean(arg: Arg) -> Arg {
    let arg = arg.action(ArgAction::Set).num_args(0..=1).require_equals(true).value_name("BOOL");
    let arg = arg.value_parser(BoolishValueParser::new()).default_value("false").default_missing_value("true");
    arg.hide_default_value(true).hide_possible_values(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn arguments(command: &'static str) -> Vec<Arg> {
        let all = cli::command();
        let found = all.find_subcommand(command).expect("a command");
        found.get_arguments().filter(|arg| arg.get_id() != "help").cloned().collect()
    }

    #[test]
    fn every_flag_of_run_has_a_variable_named_after_it() {
        let flags = arguments("run");
        assert!(flags.len() > 15);
        for flag in flags {
            let long = flag.get_long().expect("a flag").to_uppercase().replace('-', "_");
            let variable = flag.get_env().map(|name| name.to_string_lossy().into_owned());
            assert_eq!(variable, Some(format!("SPO_{long}")));
            assert!(flag.is_hide_env_values_set(), "{long}");
        }
    }

    #[test]
    fn a_flag_of_two_commands_has_one_variable() {
        let run = arguments("run");
        for flag in arguments("check").iter().filter(|flag| flag.get_env().is_some()) {
            let same = run.iter().find(|other| other.get_id() == flag.get_id()).expect("a flag of run");
            assert_eq!(same.get_env(), flag.get_env());
        }
    }
}
