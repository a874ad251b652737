//! Lets only the leader call Parameter Store and KMS: each request passes here, last of all before it is sent.

use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;

use crate::leadership::{LeaderBody, Leadership};

/// The operation of a request to a service that speaks JSON, as Parameter Store and KMS do (AWS JSON 1.1 protocol). STS does
/// not, and its calls change and decrypt nothing.
const OPERATION: &str = "x-amz-target";

/// Returns an HTTP client that makes its calls through `inner`, those of Parameter Store and KMS only while the process leads.
pub(super) fn fenced(inner: &SharedHttpClient, leadership: &Leadership) -> SharedHttpClient {
    SharedHttpClient::new(FencedClient { inner: inner.clone(), leadership: leadership.clone() })
}

#[derive(Debug)]
struct FencedClient {
    inner: SharedHttpClient,
    leadership: Leadership,
}

impl HttpClient for FencedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(FencedConnector { inner, leadership: self.leadership.clone() })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct FencedConnector {
    inner: SharedHttpConnector,
    leadership: Leadership,
}

impl HttpConnector for FencedConnector {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if request.headers().get(OPERATION).is_none() {
            return self.inner.call(request);
        }
        if let Err(error) = self.leadership.check() {
            return HttpConnectorFuture::ready(Err(ConnectorError::other(error.into(), None)));
        }
        // Connecting takes a while, so the connection asks once more when it takes the body.
        let body = std::mem::replace(request.body_mut(), SdkBody::taken());
        *request.body_mut() = SdkBody::from_body_1_x(LeaderBody::new(body, self.leadership.clone()));
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use aws_smithy_runtime_api::http::{Response, StatusCode};
    use aws_smithy_types::byte_stream::ByteStream;

    use super::*;

    /// Takes the bodies of requests and counts those that arrive whole. The process stops leading while it connects, if
    /// `lapses`.
    #[derive(Debug)]
    struct Server {
        leadership: Leadership,
        lapses: bool,
        whole: Arc<AtomicUsize>,
    }

    impl HttpConnector for Server {
        fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
            if self.lapses {
                self.leadership.wait();
            }
            let whole = self.whole.clone();
            HttpConnectorFuture::new(async move {
                let body = ByteStream::new(request.take_body()).collect().await;
                body.map_err(|error| ConnectorError::other(error.into(), None))?;
                whole.fetch_add(1, Ordering::Relaxed);
                Ok(Response::new(StatusCode::try_from(200).expect("a status"), SdkBody::empty()))
            })
        }
    }

    /// Sends a request of Parameter Store and one of STS. Returns whether they were answered, and how many arrived whole.
    async fn send(leads: bool, lapses: bool) -> (bool, bool, usize) {
        let (leadership, whole) = (Leadership::default(), Arc::<AtomicUsize>::default());
        if leads {
            leadership.lead(None);
        }
        let server = Server { leadership: leadership.clone(), lapses, whole: whole.clone() };
        let connector = FencedConnector { inner: SharedHttpConnector::new(server), leadership };
        let request = || HttpRequest::new(SdkBody::from("{}"));
        let mut of_parameters = request();
        of_parameters.headers_mut().insert(OPERATION, "AmazonSSM.GetParameters");
        let answered = (connector.call(of_parameters).await.is_ok(), connector.call(request()).await.is_ok());
        (answered.0, answered.1, whole.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn only_a_leader_calls_parameter_store() {
        assert_eq!(send(true, false).await, (true, true, 2));
        assert_eq!(send(false, false).await, (false, true, 1));
    }

    #[tokio::test]
    async fn a_call_that_was_paused_while_it_connected_never_arrives_whole() {
        assert_eq!(send(true, true).await, (false, true, 1));
    }
}
