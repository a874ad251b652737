//! Records the calls that the SDK makes to assume roles. Its credential chain makes them on its own, for IRSA and for
//! profiles, and accepts no interceptor, so they are recorded in the HTTP client, which all of them pass.

use std::{collections::BTreeMap, sync::Arc};

use aws_smithy_runtime_api::{
    client::{
        connector_metadata::ConnectorMetadata,
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::Response,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use aws_smithy_xml::decode::{Document, try_data};
use serde_json::{Map, Value, json};

use crate::aws::call_recorder::CallRecorder;
use crate::domain::{
    audit::{AuditRecord, AuditSink, Resource, RoleSession, WebIdentity},
    aws_error::{AwsError, AwsErrorKind},
};

const EVENT_SOURCE: &str = "sts.amazonaws.com";
const ASSUME_ROLE: &str = "AssumeRole";
const WITH_WEB_IDENTITY: &str = "AssumeRoleWithWebIdentity";

/// Returns an HTTP client that makes its calls through `inner`, and records those that assume a role, as calls in `region`.
pub(super) fn recording(inner: &SharedHttpClient, audit_sink: &Arc<dyn AuditSink>, region: &str) -> SharedHttpClient {
    let recorder = Recorder { audit_sink: Arc::clone(audit_sink), region: region.to_owned() };
    SharedHttpClient::new(RecordingClient { inner: inner.clone(), recorder: Arc::new(recorder) })
}

#[derive(Debug)]
struct RecordingClient {
    inner: SharedHttpClient,
    recorder: Arc<Recorder>,
}

impl HttpClient for RecordingClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(RecordingConnector { inner, recorder: Arc::clone(&self.recorder) })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct RecordingConnector {
    inner: SharedHttpConnector,
    recorder: Arc<Recorder>,
}

impl HttpConnector for RecordingConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(call) = StsCall::parse(&request) else { return self.inner.call(request) };
        let mut in_flight = InFlightCall { recorder: Arc::clone(&self.recorder), call: Some(call) };
        let inner = self.inner.clone();
        HttpConnectorFuture::new(async move {
            match inner.call(request).await {
                Ok(response) => in_flight.record_response(response).await,
                Err(error) => {
                    // The message of a transport error holds no content.
                    in_flight.finish(None, Some(&unreachable(error.to_string())));
                    Err(error)
                }
            }
        })
    }
}

/// A request to assume a role.
#[derive(Debug)]
struct StsCall {
    event_name: &'static str,
    request_parameters: Value,
    role: Option<String>,
    recorder: CallRecorder,
}

impl StsCall {
    /// Reads the request. Returns `None` for all other requests.
    fn parse(request: &HttpRequest) -> Option<Self> {
        let form = request.body().bytes().filter(|body| body.starts_with(b"Action=AssumeRole"))?;
        let fields: BTreeMap<_, _> = form_urlencoded::parse(form).into_owned().collect();
        let event_name = match fields.get("Action")?.as_str() {
            ASSUME_ROLE => ASSUME_ROLE,
            WITH_WEB_IDENTITY => WITH_WEB_IDENTITY,
            _ => return None,
        };
        let recorder = CallRecorder::default();
        recorder.record_request(request.headers());
        let role = fields.get("RoleArn").cloned();
        Some(Self { event_name, request_parameters: request_parameters(fields), role, recorder })
    }
}

/// Returns the request parameters as CloudTrail spells them, without the token.
fn request_parameters(fields: BTreeMap<String, String>) -> Value {
    let members = |list: &str, field: &str| -> Vec<String> {
        let nth = |n: usize| fields.get(&format!("{list}.member.{n}{field}")).cloned();
        (1..).map_while(nth).collect()
    };
    let tags = members("Tags", ".Key").into_iter().zip(members("Tags", ".Value"));
    let tags: Vec<_> = tags.map(|(key, value)| json!({"key": key, "value": value})).collect();
    let lists = [("tags", json!(tags)), ("transitiveTagKeys", json!(members("TransitiveTagKeys", "")))];
    let lists = lists.into_iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
    let lists: Vec<_> = lists.map(|(name, list)| (name.to_owned(), list)).collect();
    let spell = |(name, value): (String, String)| {
        let value = match (name.as_str(), value.parse::<i64>()) {
            ("Action" | "Version" | "WebIdentityToken", _) => return None,
            ("DurationSeconds", Ok(seconds)) => json!(seconds),
            _ if name.starts_with("Tags.") || name.starts_with("TransitiveTagKeys.") => return None,
            _ => json!(value),
        };
        let mut name = name;
        name.get_mut(..1)?.make_ascii_lowercase();
        Some((name, value))
    };
    Value::Object(fields.into_iter().filter_map(spell).chain(lists).collect::<Map<_, _>>())
}

/// A call in flight. It is recorded even if the SDK drops it, which it does after a timeout.
struct InFlightCall {
    recorder: Arc<Recorder>,
    call: Option<StsCall>,
}

impl InFlightCall {
    /// Records the response and returns it.
    async fn record_response(&mut self, mut response: HttpResponse) -> Result<HttpResponse, ConnectorError> {
        let body = ByteStream::new(response.take_body()).collect().await;
        let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
        if let Some(call) = &self.call {
            call.recorder.record_response(response.headers());
        }
        let fields = fields(&body);
        let status = response.status().as_u16();
        if response.status().is_success() {
            self.finish(Some(session(&fields)), None);
        } else {
            self.finish(None, Some(&error(&fields, status)));
        }
        Ok(Response::map(response, |_| SdkBody::from(body.clone())))
    }

    fn finish(&mut self, session: Option<RoleSession>, error: Option<&AwsError>) {
        if let Some(call) = self.call.take() {
            self.recorder.record(call, session, error);
        }
    }
}

impl Drop for InFlightCall {
    fn drop(&mut self) {
        self.finish(None, Some(&unreachable("the request timed out".to_owned())));
    }
}

fn unreachable(message: String) -> AwsError {
    AwsError { kind: AwsErrorKind::EndpointUnreachable, code: None, message, request_id: None }
}

/// Returns the text of the elements that are recorded. None of them is secret.
fn fields(body: &[u8]) -> BTreeMap<&'static str, String> {
    const RECORDED: &[&str] = &[
        "AccessKeyId",
        "AssumedRoleId",
        "Arn",
        "SubjectFromWebIdentityToken",
        "Audience",
        "Provider",
        "Code",
        "Message",
    ];
    let mut fields = BTreeMap::new();
    let Ok(mut document) = Document::try_from(body) else { return fields };
    while let Some(element) = document.next_start_element() {
        let recorded = RECORDED.iter().find(|name| element.local() == **name);
        if let Some((name, Ok(text))) = recorded.map(|name| (*name, try_data(&mut document))) {
            fields.insert(name, text.into_owned());
        }
    }
    fields
}

fn session(fields: &BTreeMap<&str, String>) -> RoleSession {
    let field = |name: &str| fields.get(name).cloned();
    let web_identity = field("SubjectFromWebIdentityToken").zip(field("Provider")).zip(field("Audience"));
    RoleSession {
        access_key_id: field("AccessKeyId"),
        assumed_role_id: field("AssumedRoleId"),
        arn: field("Arn"),
        web_identity: web_identity.map(|((subject, provider), audience)| WebIdentity { provider, audience, subject }),
    }
}

fn error(fields: &BTreeMap<&str, String>, status: u16) -> AwsError {
    let message = fields.get("Message").map(String::as_str).unwrap_or_default();
    let Some(code) = fields.get("Code") else {
        let message = format!("HTTP status {status}");
        return AwsError { kind: AwsErrorKind::ServiceUnavailable, code: None, message, request_id: None };
    };
    AwsError {
        kind: AwsErrorKind::classify(code, message, Some(status)),
        code: Some(code.clone()),
        message: message.lines().next().unwrap_or_default().to_owned(),
        request_id: None,
    }
}

struct Recorder {
    audit_sink: Arc<dyn AuditSink>,
    /// The region of the clients, whose regional endpoint of STS they call. A request to assume a role by a token is not
    /// signed, so it does not name the region itself.
    region: String,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Writes the audit record. It names no object, since all objects share the session.
    fn record(&self, call: StsCall, session: Option<RoleSession>, error: Option<&AwsError>) {
        let StsCall { event_name, request_parameters, role, recorder } = call;
        let mut api_call = recorder.api_call((EVENT_SOURCE, event_name), &self.region, request_parameters, error);
        api_call.resources = role.iter().map(|role| Resource::role(role)).collect();
        api_call.session = session;
        let id = uuid::Uuid::new_v4().to_string();
        self.audit_sink.record_call(&AuditRecord::new(id, &api_call, None, Vec::new(), Vec::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &'static str) -> HttpRequest {
        HttpRequest::new(SdkBody::from(body))
    }

    #[test]
    fn the_token_is_never_part_of_the_record() {
        let body = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa\
                    &RoleSessionName=spo&DurationSeconds=900&WebIdentityToken=s3cr3t";
        let call = StsCall::parse(&request(body)).expect("a role call");
        assert_eq!(call.event_name, WITH_WEB_IDENTITY);
        let expected = json!({"roleArn": "arn:aws:iam::1:role/a", "roleSessionName": "spo", "durationSeconds": 900});
        assert_eq!(call.request_parameters, expected);
        assert!(!format!("{call:?}").contains("s3cr3t"));
    }

    #[test]
    fn tags_are_recorded_as_cloudtrail_does() {
        let body = "Action=AssumeRole&Version=2011-06-15&RoleArn=a&ExternalId=e&Tags.member.1.Key=team&Tags.member.1.Value=shop\
                    &Tags.member.2.Key=stage&Tags.member.2.Value=&TransitiveTagKeys.member.1=team";
        let call = StsCall::parse(&request(body)).expect("a role call");
        let tags = json!([{"key": "team", "value": "shop"}, {"key": "stage", "value": ""}]);
        let expected = json!({"roleArn": "a", "externalId": "e", "tags": tags, "transitiveTagKeys": ["team"]});
        assert_eq!(call.request_parameters, expected);
    }

    #[test]
    fn other_calls_are_not_recorded() {
        for body in ["Action=GetCallerIdentity&Version=2011-06-15", "Action=AssumeRoleWithSAML", "{}", ""] {
            assert!(StsCall::parse(&request(body)).is_none(), "{body}");
        }
    }

    #[test]
    fn only_the_identity_of_the_session_is_read_from_a_response() {
        let body = b"<R><A><Credentials><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s3cr3t</SecretAccessKey>\
                     <SessionToken>t0k3n</SessionToken></Credentials><AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>\
                     <Arn>arn:x</Arn></AssumedRoleUser></A></R>";
        let read = session(&fields(body));
        assert_eq!((read.access_key_id.as_deref(), read.arn.as_deref()), (Some("ASIA"), Some("arn:x")));
        assert_eq!(read.web_identity, None);
        let read = format!("{:?}", fields(body));
        assert!(!read.contains("s3cr3t") && !read.contains("t0k3n"), "{read}");
    }

    #[test]
    fn an_error_keeps_code_and_first_line() {
        let body = b"<E><Error><Code>AccessDenied</Code><Message>Not you.\nx</Message></Error></E>";
        let error = error(&fields(body), 403);
        assert_eq!((error.code.as_deref(), error.message.as_str()), (Some("AccessDenied"), "Not you."));
        assert_eq!(super::error(&fields(b"<html>"), 502).message, "HTTP status 502");
    }
}
