//! The Security Token Service, with the query protocol: forms in requests, XML in responses.

mod assume;
mod request;
mod roles;
mod session;
mod token;
mod verifier;

use serde_json::{Value, json};

use super::error::{AwsError, Outcome};
use super::form::element;
use super::identity::Identity;
use super::recorder::{Event, lower_camel};
use super::service::{Call, Reply, Service};
use super::world::{Context, World};

pub use roles::Role;
pub(super) use roles::Roles;
pub(super) use session::start_for_service;
pub use token::{TokenError, WebIdentity};
pub use verifier::TokenVerifier;

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Executes an operation.
pub(super) fn dispatch(world: &mut World, context: &Context, operation: &str, input: &Value) -> Outcome<Reply> {
    match operation {
        "GetCallerIdentity" => Ok(caller_identity(&context.caller)),
        "AssumeRole" => assume::assume_role(world, context, input),
        "AssumeRoleWithWebIdentity" => assume::with_web_identity(world, context, input),
        other => {
            let message = format!("Could not find operation {other} for version 2011-06-15");
            Err(AwsError::new("InvalidAction", message))
        }
    }
}

/// The caller of the one operation without a signature, which the token identifies.
pub(super) fn unsigned_caller(world: &World, call: &Call) -> Outcome<Option<Identity>> {
    if call.service == Service::Sts && call.operation == "AssumeRoleWithWebIdentity" {
        return assume::bearer(world, &call.input).map(Some);
    }
    Ok(None)
}

/// `GetCallerIdentity`, which needs no permission.
fn caller_identity(caller: &Identity) -> Reply {
    let children =
        [element("Arn", &caller.arn), element("UserId", &caller.principal_id), element("Account", &caller.account)];
    Reply::xml(children.concat())
}

/// Event fields of the record.
pub(super) fn event(context: &Context, operation: &str, input: &Value) -> Event {
    let mut request = lower_camel(input);
    if let Some(fields) = request.as_object_mut() {
        for protocol_or_secret in ["action", "version", "webIdentityToken"] {
            fields.remove(protocol_or_secret);
        }
        let seconds = fields.get("durationSeconds").and_then(Value::as_str).and_then(|text| text.parse::<i64>().ok());
        if let Some(seconds) = seconds {
            fields.insert("durationSeconds".to_owned(), json!(seconds));
        }
        request::recorded_tags(input, fields);
        let inherited = context.caller.session().map(|session| &session.transitive_tags);
        if let Some(tags) = inherited.filter(|tags| operation == "AssumeRole" && !tags.is_empty()) {
            fields.insert("incomingTransitiveTags".to_owned(), json!(tags));
        }
        if fields.is_empty() {
            request = Value::Null;
        }
    }
    let role = input["RoleArn"].as_str().into_iter();
    let resource = |arn: &str| json!({"accountId": arn.split(':').nth(4), "type": "AWS::IAM::Role", "ARN": arn});
    Event {
        source: "sts.amazonaws.com",
        name: operation.to_owned(),
        read_only: true,
        request,
        response: Value::Null,
        resources: role.map(resource).collect(),
    }
}

/// The XML document of a result.
pub(super) fn success(operation: &str, children: &str, request_id: &str) -> String {
    let id = element("RequestId", request_id);
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{children}</{operation}Result>\
         <ResponseMetadata>{id}</ResponseMetadata></{operation}Response>"
    )
}

/// The XML document of an error.
pub(super) fn failure(error: &AwsError, request_id: &str) -> String {
    // The query protocol has another code for this error.
    let code = if error.code == "ThrottlingException" { "Throttling" } else { &error.code };
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    let children = [element("Type", kind), element("Code", code), element("Message", &error.message)].concat();
    let id = element("RequestId", request_id);
    format!("<ErrorResponse xmlns=\"{NAMESPACE}\"><Error>{children}</Error>{id}</ErrorResponse>")
}
