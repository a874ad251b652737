//! Connections that the server can close instead of sending a response.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

/// Accepts connections and hands each one's [`Peer`] to the handler.
pub(super) struct Listener(pub TcpListener);

/// The connection of a request, for its handler.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    state: Arc<AtomicU8>,
}

impl Peer {
    fn new() -> Self {
        Self { state: Arc::new(AtomicU8::new(OPEN)) }
    }

    /// Closes the connection in order.
    pub(super) fn close(&self) {
        self.state.store(CLOSED, Ordering::Release);
    }

    /// Closes the connection with a TCP reset.
    pub(super) fn reset(&self) {
        self.state.store(RESET, Ordering::Release);
    }
}

/// A connection whose writes fail once it is closed, so that the server drops it.
pub(super) struct Connection {
    stream: TcpStream,
    peer: Peer,
}

impl Connection {
    fn check(&self) -> io::Result<()> {
        match self.peer.state.load(Ordering::Acquire) {
            OPEN => return Ok(()),
            // A linger time of zero turns the close into a reset.
            RESET => self.stream.set_zero_linger()?,
            _ => {}
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl axum::serve::Listener for Listener {
    type Io = Connection;
    type Addr = Peer;

    async fn accept(&mut self) -> (Connection, Peer) {
        loop {
            if let Ok((stream, _)) = self.0.accept().await {
                // Small responses must not wait for the acknowledgement of the previous one.
                let _ = stream.set_nodelay(true);
                let peer = Peer::new();
                return (Connection { stream, peer: peer.clone() }, peer);
            }
            // Most likely the process is out of file descriptors. Some will be freed.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::new())
    }
}

impl Connected<IncomingStream<'_, Listener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        stream.remote_addr().clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Binds a listener. Returns it with its address.
pub(super) async fn bind(address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((Listener(listener), bound))
}
