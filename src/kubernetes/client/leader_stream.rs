//! The byte streams of connections. Once the process had the right to write and its time is over, they refuse to send: a
//! process that was paused between the check of a request and its last byte does not send the rest when it runs again.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower::ServiceExt;

use super::connections::Connect;
use crate::leadership::Leadership;

/// Opens the streams that `connect` opens, as [`LeaderStream`]s.
pub(super) fn leader_streams(connect: impl Connect, leadership: &Leadership) -> impl Connect {
    let leadership = leadership.clone();
    connect.map_response(move |stream| LeaderStream { stream, leadership: leadership.clone() })
}

/// A byte stream that refuses to send once the right to write has lapsed.
struct LeaderStream<S> {
    stream: S,
    leadership: Leadership,
}

impl<S: Unpin> LeaderStream<S> {
    fn sender(&mut self) -> io::Result<Pin<&mut S>> {
        if self.leadership.has_lapsed() {
            return Err(io::Error::other("this process does not hold the Lease any more, so it sends nothing"));
        }
        Ok(Pin::new(&mut self.stream))
    }
}

impl<S: Connection> Connection for LeaderStream<S> {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl<S: Read + Unpin> Read for LeaderStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: Write + Unpin> Write for LeaderStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.sender()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.sender()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender()?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use hyper_util::rt::TokioIo;
    use tokio::{
        io::{AsyncReadExt, duplex},
        time::{Instant, advance},
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_after_the_time_of_the_leader() {
        let leadership = Leadership::default();
        let (client, mut other_end) = duplex(64);
        let mut stream = LeaderStream { stream: TokioIo::new(client), leadership: leadership.clone() };
        let mut send = async || poll_fn(|context| Pin::new(&mut stream).poll_write(context, b"write")).await;
        assert!(send().await.is_ok(), "whoever stands by may read, for which it has to ask");
        leadership.lead(Some(Instant::now() + SECOND));
        assert!(send().await.is_ok());
        advance(SECOND).await;
        assert!(send().await.is_err());
        drop(stream);
        let mut arrived = Vec::new();
        other_end.read_to_end(&mut arrived).await.expect("the end");
        assert_eq!(arrived, b"writewrite");
    }
}
