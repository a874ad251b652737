//! Lets only the leader write: each request that changes something in the cluster passes here, last of all before it is sent.

use std::task::{Context, Poll};

use futures::future::{BoxFuture, FutureExt, ready};
use hyper::{Method, Request};
use tower::{BoxError, Layer, Service};

use crate::leadership::Leadership;

/// Refuses requests that write while the process does not lead.
#[derive(Clone, Debug)]
pub(crate) struct FenceLayer(pub(crate) Leadership);

/// A client behind the fence.
#[derive(Clone, Debug)]
pub(crate) struct Fence<S> {
    inner: S,
    leadership: Leadership,
}

impl<S> Layer<S> for FenceLayer {
    type Service = Fence<S>;

    fn layer(&self, inner: S) -> Fence<S> {
        Fence { inner, leadership: self.0.clone() }
    }
}

impl<S, B> Service<Request<B>> for Fence<S>
where
    S: Service<Request<B>, Error = BoxError>,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return self.inner.call(request).boxed();
        }
        let write = match self.leadership.begin_write() {
            Ok(write) => write,
            Err(error) => return ready(Err(error.into())).boxed(),
        };
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await;
            // What failed without an answer may be carried out all the same.
            if answer.is_ok() {
                write.answered();
            }
            answer
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Ready, time::Duration};

    use tower::service_fn;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    /// A client that answers with success, or not at all.
    fn client(
        leadership: &Leadership,
        is_answered: bool,
    ) -> impl Service<Request<()>, Response = (), Error = BoxError> {
        let answer = move |_| -> Ready<Result<(), BoxError>> {
            std::future::ready(if is_answered { Ok(()) } else { Err("connection reset".into()) })
        };
        FenceLayer(leadership.clone()).layer(service_fn(answer))
    }

    fn request(method: &Method) -> Request<()> {
        Request::builder().method(method).body(()).expect("a request")
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_leader_writes_and_anybody_reads() {
        let leadership = Leadership::default();
        let mut client = client(&leadership, true);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(client.call(request(&method)).await.is_err(), "{method}");
            assert!(client.call(request(&Method::GET)).await.is_ok());
        }
        leadership.lead(None);
        assert!(client.call(request(&Method::PATCH)).await.is_ok());
        assert!(leadership.close(PATIENCE, PATIENCE).await);
        assert!(client.call(request(&Method::PATCH)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_an_answer_leaves_a_doubt() {
        let leadership = Leadership::unlimited();
        let mut client = client(&leadership, false);
        assert!(client.call(request(&Method::PATCH)).await.is_err());
        assert!(!leadership.close(PATIENCE, PATIENCE).await);
    }
}
