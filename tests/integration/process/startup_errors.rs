//! Errors at the start: the operator exits at once, with one sentence that says why and what to do.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Output, Stdio},
};

use anyhow::{Context, Result};
use tokio::{process::Command, time::timeout};

use crate::support::PATIENCE;

/// Runs the operator to its end, with these environment variables and no others.
async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
    command.arg("run").args(arguments).env_clear().envs(environment.iter().copied());
    command.stdin(Stdio::null()).kill_on_drop(true);
    timeout(PATIENCE, command.output()).await.context("the operator does not end")?.map_err(Into::into)
}

/// Checks that the operator exits with one sentence that contains all `parts`.
async fn exits_with(arguments: &[&str], environment: &[(&str, &str)], parts: &[&str]) -> Result<()> {
    let output = run(arguments, environment).await?;
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{sentence}");
    assert!(output.stdout.is_empty(), "only audit records belong on standard output");
    assert!(sentence.ends_with(".\n") && sentence.lines().count() == 1, "not one sentence: {sentence:?}");
    assert!(!sentence.contains("panicked"), "{sentence}");
    for part in parts {
        assert!(sentence.contains(part), "{sentence:?} lacks {part:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_variable_that_would_log_values_is_refused() -> Result<()> {
    for value in ["true", "TRUE"] {
        let environment = [("LOG_SENSITIVE_BODIES", value)];
        exits_with(&["--listen", "127.0.0.1:0"], &environment, &["LOG_SENSITIVE_BODIES", "decrypted values", "unset"])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_missing_or_broken_kubeconfig_is_refused() -> Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubeconfigs");
    fs::create_dir_all(&folder)?;
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("broken"), "clusters: [")?;
    fs::write(path("empty"), "{}")?;
    let arguments = ["--listen", "127.0.0.1:0"];
    for kubeconfig in ["missing", "broken", "empty"] {
        exits_with(&arguments, &[("KUBECONFIG", &path(kubeconfig))], &["Kubernetes", "set KUBECONFIG"]).await?;
    }
    exits_with(&arguments, &[("HOME", &path("nobody"))], &["Kubernetes", "set KUBECONFIG"]).await
}

#[tokio::test]
async fn an_invalid_log_filter_is_refused() -> Result<()> {
    let arguments = ["--listen", "127.0.0.1:0", "--log-filter", "operator=loud=louder"];
    exits_with(&arguments, &[], &["log filter operator=loud=louder is not valid"]).await
}

#[tokio::test]
async fn a_port_in_use_is_refused() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    exits_with(&["--listen", &address], &[], &[&address, "in use", "--listen"]).await
}
