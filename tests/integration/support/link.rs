//! The network between operator and API server: it counts connections, and may lose the packets of those that exist.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A running link. It ends with the runtime of the test.
pub struct Link {
    counts: Arc<Counts>,
    /// How often packets have been lost.
    losses: watch::Sender<usize>,
    kubeconfig: PathBuf,
}

#[derive(Clone, Copy)]
enum Kind {
    Wire,
    Proxy,
}

#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    closed: AtomicUsize,
}

impl Link {
    /// Starts a link to the API server.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        Self::start_as(plane, Kind::Wire).await
    }

    /// Starts an HTTP proxy that asks for a password, in front of the API server.
    pub async fn proxy(plane: &ControlPlane) -> Result<Self> {
        Self::start_as(plane, Kind::Proxy).await
    }

    async fn start_as(plane: &ControlPlane, kind: Kind) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let here = listener.local_addr()?;
        let there = plane.url().strip_prefix("https://").context("no TLS")?.parse()?;
        let mut config: Value = serde_json::from_str(&fs::read_to_string(plane.kubeconfig())?)?;
        let cluster = &mut config["clusters"][0]["cluster"];
        match kind {
            Kind::Wire => cluster["server"] = json!(format!("https://{here}")),
            Kind::Proxy => cluster["proxy-url"] = json!(format!("http://user:pass%40word@{here}")),
        }
        let kubeconfig = plane.folder().join("link-kubeconfig");
        fs::write(&kubeconfig, config.to_string())?;
        let (losses, counts) = (watch::Sender::new(0), Arc::new(Counts::default()));
        tokio::spawn(accept(listener, there, kind, losses.subscribe(), counts.clone()));
        Ok(Self { counts, losses, kubeconfig })
    }

    /// A kubeconfig that leads through this link.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Connections so far.
    pub fn opened(&self) -> usize {
        self.counts.opened.load(Ordering::SeqCst)
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.opened() - self.counts.closed.load(Ordering::SeqCst)
    }

    /// From now on, nothing passes through the connections that are open, and neither side is told.
    pub fn lose(&self) {
        self.losses.send_modify(|losses| *losses += 1);
    }
}

async fn accept(
    listener: TcpListener,
    there: SocketAddr,
    kind: Kind,
    losses: watch::Receiver<usize>,
    counts: Arc<Counts>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        counts.opened.fetch_add(1, Ordering::SeqCst);
        let (mut losses, counts) = (losses.clone(), counts.clone());
        losses.mark_unchanged();
        tokio::spawn(async move {
            // Errors are ends of connections too.
            let _ = match kind {
                Kind::Wire => carry(stream, there, losses).await,
                Kind::Proxy => match greet(&mut stream).await {
                    Ok(()) => carry(stream, there, losses).await,
                    refused => refused,
                },
            };
            counts.closed.fetch_add(1, Ordering::SeqCst);
        });
    }
}

/// Does what a proxy does before it passes on bytes.
async fn greet(operator: &mut TcpStream) -> Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(operator.read_u8().await?);
    }
    let head = String::from_utf8(head)?.to_ascii_lowercase();
    let password = format!("basic {}", STANDARD.encode("user:pass@word")).to_ascii_lowercase();
    let is_let_in = head.starts_with("connect ") && head.contains(&password);
    let answer: &[u8] = if is_let_in { b"HTTP/1.1 200 OK\r\n\r\n" } else { b"HTTP/1.1 407 No\r\n\r\n" };
    operator.write_all(answer).await?;
    ensure!(is_let_in, "{head}");
    Ok(())
}

/// Carries the bytes of one connection, until the operator closes it.
async fn carry(mut operator: TcpStream, there: SocketAddr, mut losses: watch::Receiver<usize>) -> Result<()> {
    let mut server = TcpStream::connect(there).await?;
    tokio::select! {
        ended = copy_bidirectional(&mut operator, &mut server) => ended.map(drop).map_err(Into::into),
        _ = losses.changed() => {
            while operator.read(&mut [0; 4096]).await? > 0 {}
            Ok(())
        }
    }
}
