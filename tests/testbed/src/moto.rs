//! moto's server: an independent implementation of the AWS APIs, to check our own fake against.

use std::{net::Ipv4Addr, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    process::{Options, Process},
    tools,
    wait::eventually,
};

/// The region of the test bed.
const REGION: &str = "eu-central-1";
/// Longest time until ready. The first start is slow, because Python reads a thousand files.
const READY_TIMEOUT: Duration = Duration::from_mins(1);
/// Attempts to start. A port that was free can be taken before the server binds it.
const ATTEMPTS: usize = 3;

/// A running moto server. Dropping it, or the end of this process, ends it.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    process: Process,
}

impl Moto {
    /// Starts a server with empty state and waits until it answers. Installs moto first if it is missing.
    pub async fn start() -> Result<Self> {
        let python = tools::moto_python_async().await?;
        let mut attempt = 1;
        loop {
            match Self::attempt(&python).await {
                Err(error) if attempt < ATTEMPTS && format!("{error:#}").contains("in use") => attempt += 1,
                result => return result,
            }
        }
    }

    async fn attempt(python: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        let folder: TempDir = tempfile::Builder::new().prefix("testbed-moto-").tempdir()?;
        let mut command = Command::new(python);
        command
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            .current_dir(folder.path())
            // Without the user's own packages and settings.
            .env("PYTHONNOUSERSITE", "1")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME");
        let options = Options { grace_seconds: 1, remove: Some(folder.path().to_owned()), ..Options::default() };
        let process = Process::start_with("moto", &command, &folder.path().join("moto.log"), &options)?;
        let _ = folder.keep();
        let moto = Self { port, process };
        moto.wait_ready().await?;
        Ok(moto)
    }

    async fn wait_ready(&self) -> Result<()> {
        eventually("moto to answer", READY_TIMEOUT, async || {
            if let Err(error) = self.process.ensure_running() {
                return Ok(Some(Err(error)));
            }
            self.request("GET", "/moto-api/data.json", "").await?;
            Ok(Some(Ok(())))
        })
        .await
        .with_context(|| format!("end of its log:\n{}", self.process.log_tail()))?
    }

    /// Address of the server, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The environment that sends an AWS SDK to this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.url().as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "testing"),
            ("AWS_SECRET_ACCESS_KEY", "testing"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// Removes all state of the server.
    pub async fn reset(&self) -> Result<()> {
        self.request("POST", "/moto-api/reset", "").await.map(drop)
    }

    /// Sends an HTTP request with a form as its body. Returns the body, or an error unless the status is 200.
    ///
    /// moto does not check signatures, but reads the name of the service from them: STS here.
    async fn request(&self, method: &str, path: &str, form: &str) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        // HTTP/1.0, so that the response ends with the connection and only the status line must be parsed.
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/sts/aws4_request, SignedHeaders=host, \
             Signature=0\r\nContent-Length: {}\r\n\r\n{form}",
            self.port,
            form.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").context("moto's response is not HTTP")?;
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        if status != "200" {
            bail!("{method} {path}: {answer}");
        }
        Ok(body.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;

    use super::Moto;

    #[tokio::test]
    async fn the_server_answers_get_caller_identity() -> Result<()> {
        let moto = Moto::start().await?;
        let identity = moto.request("POST", "/", "Action=GetCallerIdentity&Version=2011-06-15").await?;
        assert!(identity.contains("<Account>123456789012</Account>"), "{identity}");
        moto.reset().await
    }
}
