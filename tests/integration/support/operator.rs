//! The operator as a process: its log, its audit records and its HTTP pages.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::Value;
use testbed::{
    process::{Options, Process},
    wait::eventually,
};

use super::PATIENCE;

/// A running operator. It ends when this is dropped.
pub struct Operator {
    process: Process,
    folder: PathBuf,
    address: String,
    run: usize,
}

impl Operator {
    /// Starts the operator with `kubeconfig` and these environment variables. Its logs go to files in `folder` whose
    /// names end with `run`.
    pub fn start(
        kubeconfig: &Path,
        environment: &[(String, String)],
        arguments: &[&str],
        folder: &Path,
        run: usize,
    ) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
        command.args(["run", "--listen", &address]).args(arguments);
        command.env("KUBECONFIG", kubeconfig).env("RUST_BACKTRACE", "1");
        // The AWS configuration of the user who runs the tests must not matter.
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
            command.env_remove(name);
        }
        for name in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env(name, "/dev/null");
        }
        command.envs(environment.iter().cloned());
        let options = Options { errors: Some(folder.join(format!("log-{run}"))), ..Options::default() };
        let process =
            Process::start_with("secure-parameter-operator", &command, &folder.join(format!("audit-{run}")), &options)?;
        Ok(Self { process, folder: folder.to_owned(), address, run })
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Where the HTTP pages are served: host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// All audit records so far: the lines of standard output.
    pub fn audit(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(self.folder.join(format!("audit-{}", self.run)))?;
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
    }

    /// The log so far: standard error.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.folder.join(format!("log-{}", self.run)))?)
    }

    /// Status and body of `GET path`.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let (status, _, body) = self.fetch(path).await?;
        Ok((status, body))
    }

    /// Status, head and body of `GET path`.
    pub async fn fetch(&self, path: &str) -> Result<(u16, String, String)> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(&self.address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: operator\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let status = answer.split(' ').nth(1).context("no status line")?.parse()?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
        Ok((status, head.to_owned(), body.to_owned()))
    }

    /// Waits until the process has ended. Returns its exit status, which is 128 + N if signal N ended it.
    pub async fn ended(&self) -> Result<i32> {
        let status = eventually("the operator to end", PATIENCE, async || self.process.try_wait()).await?;
        status.code().context("no exit status")
    }

    /// Waits until `/readyz` answers with 200.
    pub async fn ready(&self) -> Result<()> {
        eventually("the operator to be ready", Duration::from_secs(30), async || {
            self.process.ensure_running()?;
            Ok((self.get("/readyz").await?.0 == 200).then_some(()))
        })
        .await
    }
}

fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
