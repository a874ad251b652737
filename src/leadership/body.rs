//! The body of a request that only a leader may send. A connection takes it when it is about to write it: a request whose
//! process was paused after all other checks fails there, and the receiver, which never gets a whole request, ignores it.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body, Frame, SizeHint};

use crate::leadership::right::Leadership;

/// The body of a request that only a leader may send.
pub(crate) struct LeaderBody<B> {
    body: B,
    leadership: Leadership,
}

impl<B> LeaderBody<B> {
    /// Wraps the body of a request.
    pub(crate) const fn new(body: B, leadership: Leadership) -> Self {
        Self { body, leadership }
    }
}

impl<B> Body for LeaderBody<B>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        if let Err(error) = self.leadership.check() {
            return Poll::Ready(Some(Err(error.into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    /// Never, so that the connection asks for the end of the body before it completes the request.
    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
