//! Repeats requests that the API server says it has not processed.

use std::{
    error::Error,
    future::{Ready, ready},
};

use h2::Reason;
use hyper::Request;
use kube::client::Body;
use tower::{BoxError, retry::Policy};

/// Most repetitions of one request.
const REPETITIONS: u8 = 3;

/// Repeats a request that was on its way when the API server asked for another connection, as one behind a load balancer
/// does now and then (its flag `--goaway-chance`), and one that ends. It has not processed such a request, so nothing
/// happens twice (RFC 9113, section 8.7).
#[derive(Clone)]
pub(super) struct Unprocessed {
    left: u8,
}

impl Default for Unprocessed {
    fn default() -> Self {
        Self { left: REPETITIONS }
    }
}

impl<A> Policy<Request<Body>, A, BoxError> for Unprocessed {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Body>, result: &mut Result<A, BoxError>) -> Option<Ready<()>> {
        let is_unprocessed = matches!(result, Err(error) if is_unprocessed(&**error));
        self.left = self.left.checked_sub(1).filter(|_| is_unprocessed)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let mut copy = Request::new(request.body().try_clone()?);
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        Some(copy)
    }
}

fn is_unprocessed(mut error: &(dyn Error + 'static)) -> bool {
    loop {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
            let is_above_last = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
            return error.is_remote() && (is_refused || is_above_last);
        }
        let Some(cause) = error.source() else { return false };
        error = cause;
    }
}
