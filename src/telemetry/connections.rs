//! Connections of clients, limited in time and number, so that no client can keep others out or use up the descriptors.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};

/// The limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most connections at a time. A further one ends the oldest: a client that opens many loses its own, and a probe,
    /// which takes a moment, always gets through.
    pub(crate) connections: usize,
    /// Longest time for one connection, from accepting it to the end of the response.
    pub(crate) lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 64, lifetime: Duration::from_secs(5) }
    }
}

/// Accepts connections within the limits.
pub(crate) struct LimitedListener {
    listener: TcpListener,
    limits: Limits,
    /// One for each connection, the oldest first. Dropping it ends the connection.
    open: VecDeque<oneshot::Sender<()>>,
}

impl LimitedListener {
    /// Accepts connections from `listener`.
    pub(crate) const fn new(listener: TcpListener, limits: Limits) -> Self {
        Self { listener, limits, open: VecDeque::new() }
    }
}

impl Listener for LimitedListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // That of axum, which waits and tries again if there are no descriptors.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.open.retain(|connection| !connection.is_closed());
        while self.open.len() >= self.limits.connections {
            self.open.pop_front();
        }
        let (open, ended) = oneshot::channel();
        self.open.push_back(open);
        let lifetime = self.limits.lifetime;
        let end = Box::pin(async move { drop(timeout(lifetime, ended).await) });
        (Connection { stream, end: Some(end) }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails when its time is over, in whatever it is doing.
pub(crate) struct Connection {
    stream: TcpStream,
    /// Resolves when the connection has to end. `None` afterwards.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Connection {
    /// Returns the stream, or an error when its time is over.
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(context).is_ready()) {
            self.end = None;
        }
        if self.end.is_none() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Pin::new(&mut self.stream)) }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(context)?.poll_shutdown(context)
    }
}
