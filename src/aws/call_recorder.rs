//! What can be seen of one AWS call on its way: request id, service clock, user agent, access key id.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_ssm::{
    config::{
        ConfigBag, Intercept, RuntimeComponents,
        interceptors::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
    },
    error::BoxError,
};
use aws_smithy_runtime_api::http::Headers;
use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use serde_json::Value;

use crate::domain::audit::{ApiCall, aws_error::AwsError};

/// Watches one call. Clones share what they saw.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallRecorder(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    user_agent: Option<String>,
    access_key_id: Option<String>,
    request_id: Option<String>,
    date: Option<Timestamp>,
    answered: bool,
}

impl CallRecorder {
    /// The facts of the call, once it is over.
    pub(crate) fn facts(
        &self,
        (event_source, event_name): (&'static str, &'static str),
        region: &str,
        request_parameters: Value,
        error: Option<&AwsError>,
    ) -> ApiCall {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ApiCall {
            event_source,
            event_name,
            region: region.to_owned(),
            request_parameters,
            resources: Vec::new(),
            request_id: seen.request_id.clone(),
            event_time: seen.date.unwrap_or_else(Timestamp::now),
            answered: seen.answered,
            user_agent: seen.user_agent.clone(),
            access_key_id: seen.access_key_id.clone(),
            error: error.cloned(),
            session: None,
        }
    }

    /// Takes note of what is sent.
    pub(crate) fn sent(&self, headers: &Headers) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.user_agent = headers.get("user-agent").map(str::to_owned);
        seen.access_key_id = headers.get("authorization").and_then(access_key_id).map(str::to_owned);
    }

    /// Takes note of what is answered.
    pub(crate) fn answered(&self, headers: &Headers) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.answered = true;
        seen.request_id =
            headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id")).map(str::to_owned);
        seen.date = headers.get("date").and_then(|date| rfc2822::parse(date).ok()).map(|date| date.timestamp());
    }

    /// The request id, if an answer arrived.
    pub(crate) fn request_id(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).request_id.clone()
    }
}

impl Intercept for CallRecorder {
    fn name(&self) -> &'static str {
        "Capture"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.sent(context.request().headers());
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.answered(context.response().headers());
        Ok(())
    }
}

/// The access key id within `AWS4-HMAC-SHA256 Credential=<id>/<date>/...`.
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
