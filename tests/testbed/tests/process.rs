//! Processes of the test bed end with the process that started them.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use testbed::{
    process::{Options, Process},
    wait::eventually,
};

const TIMEOUT: Duration = Duration::from_secs(30);
/// The variable that tells `starter` its working folder.
const FOLDER: &str = "TESTBED_TEST_FOLDER";

/// A program that ignores SIGTERM, and prints a line once it does.
fn stubborn() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' TERM; echo ready; while :; do read -r _ </dev/null; sleep 1; done"]);
    command
}

fn is_running(id: u32) -> Result<bool> {
    let script = r#"kill -0 "$1" 2>/dev/null"#;
    Ok(Command::new("sh").args(["-c", script, "sh", &id.to_string()]).status()?.success())
}

async fn text(path: &Path) -> Result<String> {
    eventually("a file to be written", TIMEOUT, async || {
        let text = fs::read_to_string(path)?;
        Ok(text.ends_with('\n').then_some(text))
    })
    .await
}

/// Not a test: the process that [`it_ends_when_its_starter_is_killed`] kills.
#[test]
#[ignore = "started by another test as a process of its own"]
fn starter() -> Result<()> {
    let Some(folder) = env::var_os(FOLDER) else {
        return Ok(());
    };
    let folder = Path::new(&folder);
    let guarded = folder.join("guarded");
    fs::create_dir(&guarded)?;
    let options = Options { grace_seconds: 1, remove: Some(guarded), ..Options::default() };
    let process = Process::start_with("stubborn", &stubborn(), &folder.join("log"), &options)?;
    fs::write(folder.join("id"), format!("{}\n", process.id()))?;
    process.wait(TIMEOUT * 10)?;
    bail!("the program ended by itself");
}

#[tokio::test]
async fn it_ends_when_its_starter_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut starter = Command::new(env::current_exe()?)
        .args(["--ignored", "--exact", "starter"])
        .env(FOLDER, folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let id = text(&folder.path().join("id")).await?.trim().parse()?;
    assert_eq!(text(&folder.path().join("log")).await?, "ready\n");
    assert!(is_running(id)?);

    starter.kill()?;
    starter.wait()?;
    eventually("the program to end", TIMEOUT, async || Ok((!is_running(id)?).then_some(()))).await?;
    let guarded = folder.path().join("guarded");
    eventually("its folder to be removed", TIMEOUT, async || Ok((!guarded.exists()).then_some(()))).await
}

#[tokio::test]
async fn it_ends_when_dropped_and_keeps_its_output_apart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (log, errors) = (folder.path().join("log"), folder.path().join("errors"));
    let mut command = Command::new("sh");
    command.args(["-c", r#"echo "$WORD"; pwd >&2; exec sleep 600"#]).env("WORD", "word").current_dir("/");
    let options = Options { errors: Some(errors.clone()), ..Options::default() };
    let process = Process::start_with("sleep", &command, &log, &options)?;
    assert_eq!(text(&log).await?, "word\n");
    assert_eq!(text(&errors).await?, "/\n");
    let id = process.id();
    process.ensure_running()?;
    drop(process);
    assert!(!is_running(id)?);
    Ok(())
}

#[test]
fn an_error_quotes_the_end_of_the_log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("sh");
    command.args(["-c", "echo last words >&2; exit 3"]);
    let process = Process::start("short", &command, &folder.path().join("log"))?;
    assert_eq!(process.wait(TIMEOUT)?.code(), Some(3));
    let error = process.ensure_running().expect_err("it has ended").to_string();
    assert!(error.contains("short ended") && error.contains("last words"), "{error}");
    Ok(())
}

#[test]
fn a_signal_reaches_the_program() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new("sleep");
    command.arg("600");
    let process = Process::start("sleep", &command, &folder.path().join("log"))?;
    process.signal("KILL")?;
    assert_eq!(process.wait(TIMEOUT)?.code(), Some(128 + 9));
    Ok(())
}

#[test]
fn a_missing_program_is_reported() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let process = Process::start("none", &Command::new("/nonexistent/program"), &folder.path().join("log"))?;
    process.wait(TIMEOUT)?;
    let error = process.ensure_running().err().context("it runs")?.to_string();
    assert!(error.contains("/nonexistent/program"), "{error}");
    Ok(())
}
