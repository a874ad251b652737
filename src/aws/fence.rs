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
