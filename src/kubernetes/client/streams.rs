//! Streams of HTTP/2 connections.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Bytes};
use hyper_util::client::legacy::{Builder, Client, connect::Connect};
use kube::client::Body;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{BoxError, Service};

/// The body of an answer. Its stream counts as open until it is dropped.
pub(super) type Answer = UnsyncBoxBody<Bytes, BoxError>;

/// Most streams of one connection. An API server allows 100 (its flag `--http2-max-streams-per-connection`); whatever is
/// sent beyond that waits until a watch ends.
const STREAMS: usize = 80;

/// Sends requests over one connection, and over a further one only if the streams of the first do not suffice: an operator
/// that works in some namespaces has watches in each.
#[derive(Clone)]
pub(super) struct Streams<C> {
    connect: C,
    builder: Builder,
    pools: Arc<Mutex<Vec<Pool<C>>>>,
}

/// Connections that hyper shares: one if the server speaks HTTP/2, one for each stream if not.
struct Pool<C> {
    client: Client<C, Body>,
    streams: Arc<Semaphore>,
}

impl<C: Connect + Clone> Streams<C> {
    /// Creates the first pool when it is needed, and all with this builder.
    pub(super) fn new(builder: Builder, connect: C) -> Self {
        Self { connect, builder, pools: Arc::default() }
    }

    /// Takes a stream of the first pool that has one left.
    fn take(&self) -> (Client<C, Body>, OwnedSemaphorePermit) {
        let mut pools = self.pools.lock();
        loop {
            if let Some(taken) = pools.iter().find_map(Pool::take) {
                return taken;
            }
            let client = self.builder.build(self.connect.clone());
            pools.push(Pool { client, streams: Arc::new(Semaphore::new(STREAMS)) });
        }
    }
}

impl<C: Clone> Pool<C> {
    fn take(&self) -> Option<(Client<C, Body>, OwnedSemaphorePermit)> {
        Some((self.client.clone(), self.streams.clone().try_acquire_owned().ok()?))
    }
}

impl<C> Service<Request<Body>> for Streams<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    type Response = Response<Answer>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Answer>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, stream) = self.take();
        Box::pin(async move {
            let answer = client.request(request).await?;
            Ok(answer.map(|body| {
                let body = body.map_frame(move |frame| {
                    let _open = &stream;
                    frame
                });
                body.map_err(BoxError::from).boxed_unsync()
            }))
        })
    }
}
