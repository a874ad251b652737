//! Records what the HTTP messages of one AWS call show: request id, service time, user agent, access key id.

use std::{sync::Arc, time::Instant};

use aws_sdk_ssm::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
    },
    error::BoxError,
};
use aws_smithy_runtime_api::http::Headers as HttpHeaders;
use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use parking_lot::Mutex;
use serde_json::Value;

use crate::domain::{audit::ApiCall, aws_error::AwsError};

/// Records one call. Clones share the record.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallRecorder(Arc<Mutex<Headers>>);

/// Facts from the headers of request and response.
#[derive(Debug, Default)]
struct Headers {
    user_agent: Option<String>,
    access_key_id: Option<String>,
    request_id: Option<String>,
    date: Option<Timestamp>,
    answered: bool,
    sent: Option<Instant>,
}

impl CallRecorder {
    /// Returns the call as audit records describe it. To be called when the call has ended.
    pub(crate) fn api_call(
        &self,
        (event_source, event_name): (&'static str, &'static str),
        region: &str,
        request_parameters: Value,
        error: Option<&AwsError>,
    ) -> ApiCall {
        let recorded = self.0.lock();
        ApiCall {
            event_source,
            event_name,
            region: region.to_owned(),
            request_parameters,
            resources: Vec::new(),
            request_id: recorded.request_id.clone(),
            event_time: recorded.date.unwrap_or_else(Timestamp::now),
            answered: recorded.answered,
            user_agent: recorded.user_agent.clone(),
            access_key_id: recorded.access_key_id.clone(),
            duration: recorded.sent.map(|sent| sent.elapsed()),
            error: error.cloned(),
            session: None,
        }
    }

    /// Records the headers of the request.
    pub(crate) fn record_request(&self, headers: &HttpHeaders) {
        let mut recorded = self.0.lock();
        recorded.sent = Some(Instant::now());
        recorded.user_agent = headers.get("user-agent").map(str::to_owned);
        recorded.access_key_id = headers.get("authorization").and_then(access_key_id).map(str::to_owned);
    }

    /// Records the headers of the response.
    pub(crate) fn record_response(&self, headers: &HttpHeaders) {
        let mut recorded = self.0.lock();
        recorded.answered = true;
        recorded.request_id =
            headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id")).map(str::to_owned);
        recorded.date = headers.get("date").and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
    }

    /// Returns the access key id that the request was signed with.
    pub(crate) fn access_key_id(&self) -> Option<String> {
        self.0.lock().access_key_id.clone()
    }

    /// Returns the request id, if a response arrived.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.0.lock().request_id.clone()
    }
}

impl Intercept for CallRecorder {
    fn name(&self) -> &'static str {
        "CallRecorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.record_request(context.request().headers());
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.record_response(context.response().headers());
        Ok(())
    }
}

/// Returns the access key id from `AWS4-HMAC-SHA256 Credential=<id>/<date>/...`.
fn access_key_id(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_access_key_id_is_taken_from_the_signature() {
        let header =
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261124/eu-central-1/ssm/aws4_request, SignedHeaders=host";
        assert_eq!(access_key_id(header), Some("AKIDEXAMPLE"));
        assert_eq!(access_key_id("Bearer token"), None);
    }
}
