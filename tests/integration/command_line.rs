//! The command line: its page in the documentation, what the environment does, completions.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use secure_parameter_operator::cli;
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, same_as_file};

/// Widest line of help on the page.
const WIDTH: usize = 110;

/// The text above the commands.
const INTRODUCTION: &str = "# Command line

The program `secure-parameter-operator` is the operator and its tools. Under the name `kubectl-secureparam` it is the
[kubectl plugin](kubectl-plugin.md).

**Environment.** Every flag of `run` can be set by the variable that stands beside it, and `check` reads those that it shares,
so that it can run in the operator's pod with the operator's settings:

- The command line wins over the environment, and the environment over the default.
- Lists are separated by commas, as on the command line.
- A variable of a flag without value takes `true`, `yes`, `on` or `1`, and their opposites. The command line unsets it with
  `--leader-elect=false`.
- An empty variable counts as none. Only `SPO_NAMESPACES` and `SPO_WATCH_SELECTOR` must not be empty: without them the operator
  works everywhere, which should not happen because a variable was not filled.
- Help never shows what the variables hold.

A variable that begins with `SPO_` and belongs to no flag is named in a warning when the operator starts. Region, credentials and
endpoints of AWS are configured as for [every AWS tool](operations.md#the-operators-own-credentials), the cluster by `KUBECONFIG`,
or by the ServiceAccount of the pod.

**Completions.** `secure-parameter-operator completions` prints a script for bash, elvish, fish, PowerShell or zsh. kubectl
completes the [plugin](kubectl-plugin.md#completion) in its own way.

The page is generated: `UPDATE=1 cargo test --test integration command_line::the_page`.
";

fn page() -> Result<String> {
    let mut page = INTRODUCTION.to_owned();
    let mut command = cli::command().term_width(WIDTH).mut_subcommands(|command| command.term_width(WIDTH));
    command.build();
    let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    // The plugin has a page of its own.
    for name in names.iter().filter(|name| *name != "help" && *name != "plugin") {
        let help = command.find_subcommand_mut(name).context("a command")?.render_long_help();
        let help: Vec<_> = help.to_string().lines().map(|line| line.trim_end().to_owned()).collect();
        write!(page, "\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end())?;
    }
    Ok(page)
}

#[test]
fn the_page_is_generated_from_the_help() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/command-line.md");
    same_as_file(&path, &page()?, "command_line::the_page")
}

/// Runs the program with these environment variables and no others.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
    command.args(arguments).env_clear().envs(environment.iter().copied()).stdin(Stdio::null());
    Ok(command.output()?)
}

/// What the environment sets is judged as what the command line sets. An operator that accepts it ends because its port is in
/// use, which it finds out next.
#[test]
fn variables_are_judged_as_arguments_are() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    for (variables, arguments, expected) in [
        (&[("SPO_LISTEN", address.as_str())][..], &[][..], 1),
        (&[("SPO_LISTEN", "nowhere")], &[], 2),
        (&[("SPO_LISTEN", "nowhere")], &["--listen", &address], 1),
        (&[("SPO_LISTEN", ""), ("SPO_LOG_FORMAT", "")], &["--listen", &address], 1),
        (&[("SPO_NAMESPACES", "shop,billing")], &["--listen", &address], 1),
        (&[("SPO_NAMESPACES", "shop,")], &["--listen", &address], 2),
        (&[("SPO_NAMESPACES", "")], &["--listen", &address], 2),
        (&[("SPO_WATCH_SELECTOR", "")], &["--listen", &address], 2),
        (&[("SPO_LEADER_ELECT", "yes"), ("SPO_ALLOW_NODE_ROLE", "0")], &["--listen", &address], 1),
        (&[("SPO_LEADER_ELECT", "")], &["--listen", &address], 1),
        (&[("SPO_LEADER_ELECT", "maybe")], &["--listen", &address], 2),
        (&[("SPO_LEADER_ELECT", "maybe")], &["--listen", &address, "--leader-elect"], 1),
        (&[("SPO_LEADER_ELECT", "true")], &["--listen", &address, "--leader-elect=false"], 1),
        (&[("SPO_QUOTA_SHARE", "7")], &["--listen", &address], 2),
        (&[("SPO_CONCURRENCY", "0")], &["--listen", &address], 2),
    ] {
        let output = run(&[&["run"], arguments].concat(), variables)?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(expected), "{variables:?} {arguments:?}: {error}");
        let (names_address, names_flag) = (error.contains("in use"), error.contains("--help"));
        assert!(if expected == 1 { names_address } else { names_flag }, "{variables:?}: {error}");
    }
    Ok(())
}

#[test]
fn help_names_variables_and_hides_what_they_hold() -> Result<()> {
    let output = run(&["run", "--help"], &[("SPO_CLUSTER_NAME", "must-not-be-shown"), ("SPO_LEADER_ELECT", "yes")])?;
    let help = String::from_utf8(output.stdout)?;
    ensure!(help.contains("[env: SPO_CLUSTER_NAME]") && help.contains("[env: SPO_LEADER_ELECT]"), "{help}");
    ensure!(!help.contains("must-not-be-shown") && !help.contains("SPO_LEADER_ELECT="), "{help}");
    for section in ["What to work on:", "Limits:", "Several operators:", "AWS:", "Examples:", "Exit status:"] {
        ensure!(help.contains(section), "no {section}");
    }
    Ok(())
}

/// Of an operator that is set by variables alone, each is seen to act.
#[tokio::test]
async fn an_operator_works_as_variables_say() -> Result<()> {
    let mut world = World::without_operator().await?;
    let variables = [
        ("SPO_LEADER_ELECT", "yes"),
        ("SPO_LEASE_NAME", "by-variable"),
        ("SPO_LEASE_NAMESPACE", "shop"),
        ("SPO_NAMESPACES", "shop,default"),
        ("SPO_LOG_FORMAT", "text"),
        // Mistyped.
        ("SPO_NAMESPACE", "billing"),
    ];
    world.set_environment(&variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    world.start_operator().await?;
    let leases: Api<Lease> = world.api();
    let lease =
        eventually("the Lease of the operator", PATIENCE, async || Ok(leases.get_opt("by-variable").await?)).await?;
    let annotations: BTreeMap<_, _> = lease.metadata.annotations.unwrap_or_default();
    let namespaces = annotations.get("secureparameter.io/watch-namespaces").context("the namespaces")?;
    assert_eq!(namespaces, "default,shop");
    let log = world.operator().log()?;
    ensure!(!log.is_empty() && !log.starts_with('{'), "not text: {log}");
    let warning = log.lines().find(|line| line.contains("no flag reads this variable")).context("no warning")?;
    ensure!(warning.contains("SPO_NAMESPACE") && !warning.contains("billing"), "{warning}");
    Ok(())
}

#[test]
fn completions_are_scripts_that_the_shell_accepts() -> Result<()> {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = run(&["completions", shell], &[])?;
        let script = String::from_utf8(output.stdout)?;
        ensure!(output.status.success() && script.contains("max-sessions-per-store"), "{shell}: {script}");
        let Some(program) = found(shell) else { continue };
        // Elvish and PowerShell have no mode that only parses.
        if !["bash", "fish", "zsh"].contains(&shell) {
            continue;
        }
        let mut command = Command::new(program);
        let mut child = command.arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(script.as_bytes())?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(run(&["completions", "tcsh"], &[])?.status.code(), Some(2));
    Ok(())
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
    let mut child = command.arg("crds").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && errors.is_empty(), "{} {errors}", output.status);
    Ok(())
}

fn found(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}
