//! Records in the form of `CloudTrail`, one for each call to which a service responded.
//!
//! As on AWS, three kinds of calls have no record: those with refused credentials or signatures, because the principal
//! is not known; a `GetParameter` of a missing parameter; and those without a response of the service itself.

use std::collections::HashMap;
use std::mem::take;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::clock;
use super::error::AwsError;
use super::identity::{Identity, Principal, Session};
use super::world::Context;

/// The event fields of a record.
pub(super) struct Event {
    /// `ssm.amazonaws.com`
    pub source: &'static str,
    /// Name of the operation.
    pub name: String,
    /// True if the call changes nothing.
    pub read_only: bool,
    /// `requestParameters`
    pub request: Value,
    /// `responseElements`; null for reads.
    pub response: Value,
    /// `resources`
    pub resources: Vec<Value>,
}

/// The origin of a call.
#[derive(Clone, Copy)]
pub(super) enum Via<'a> {
    /// The caller's own request.
    Direct,
    /// A request of a service on behalf of the caller, with its own request id.
    Service {
        /// `ssm.amazonaws.com`
        name: &'static str,
        /// Request id of the inner call.
        request_id: &'a str,
    },
}

/// Records and counters.
#[derive(Default)]
pub(super) struct Recorder {
    records: Vec<Value>,
    /// When the calls of these records arrived, in milliseconds since 1970.
    times: Vec<i64>,
    calls: HashMap<String, usize>,
    decrypts: usize,
}

impl Recorder {
    /// Counts a request on the wire, whatever its result.
    pub(super) fn count_call(&mut self, operation: &str) {
        *self.calls.entry(operation.to_owned()).or_default() += 1;
    }

    /// Counts a successful KMS decryption.
    pub(super) fn count_decrypt(&mut self) {
        self.decrypts += 1;
    }

    /// Requests of this operation so far.
    pub(super) fn calls(&self, operation: &str) -> usize {
        self.calls.get(operation).copied().unwrap_or_default()
    }

    /// Successful KMS decryptions so far.
    pub(super) fn decrypts(&self) -> usize {
        self.decrypts
    }

    /// The records so far, oldest first.
    pub(super) fn records(&self) -> &[Value] {
        &self.records
    }

    /// Removes and returns the records, each with the time when its call arrived, in milliseconds since 1970. A record itself
    /// tells the second in which its call was carried out.
    pub(super) fn take(&mut self) -> Vec<(i64, Value)> {
        take(&mut self.times).into_iter().zip(take(&mut self.records)).collect()
    }

    /// Removes all records and sets the counters to zero.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds a record, unless the test itself makes the call.
    pub(super) fn record(&mut self, context: &Context, event: Event, error: Option<&AwsError>, via: Via<'_>) {
        if context.is_test {
            return;
        }
        let mut identity = user_identity(&context.caller);
        let (address, agent, request_id) = match via {
            Via::Direct => ("127.0.0.1", context.user_agent.as_str(), context.request_id.as_str()),
            Via::Service { name, request_id } => {
                identity["invokedBy"] = json!(name);
                (name, name, request_id)
            }
        };
        let mut record = json!({
            "eventVersion": "1.11",
            "userIdentity": identity,
            "eventTime": clock::iso(context.now_ms),
            "eventSource": event.source,
            "eventName": event.name,
            "awsRegion": context.region,
            "sourceIPAddress": address,
            "userAgent": agent,
            "requestParameters": event.request,
            "responseElements": event.response,
            "requestID": request_id,
            "eventID": Uuid::new_v4().to_string(),
            "readOnly": event.read_only,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": context.caller.account,
            "eventCategory": "Management",
        });
        complete(&mut record, event.resources, error);
        if matches!(via, Via::Direct) {
            record["tlsDetails"] = json!({"clientProvidedHostHeader": context.host});
        }
        self.records.push(record);
        self.times.push(context.arrived_ms);
    }
}

/// Adds the fields that only some records have.
fn complete(record: &mut Value, resources: Vec<Value>, error: Option<&AwsError>) {
    if let Some(error) = error {
        record["errorCode"] = json!(error.code);
        record["errorMessage"] = json!(error.message);
    }
    if !resources.is_empty() {
        record["resources"] = Value::Array(resources);
    }
}

fn user_identity(caller: &Identity) -> Value {
    let common = |kind: &str| {
        json!({
            "type": kind,
            "principalId": caller.principal_id,
            "arn": caller.arn,
            "accountId": caller.account,
            "accessKeyId": caller.access_key_id,
        })
    };
    match &caller.principal {
        Principal::IamUser => {
            let mut identity = common("IAMUser");
            identity["userName"] = json!(caller.arn.rsplit('/').next());
            identity
        }
        Principal::AssumedRole(session) => {
            let mut identity = common("AssumedRole");
            identity["sessionContext"] = session_context(caller, session);
            identity
        }
        Principal::WebIdentity { provider, subject } => json!({
            "type": "WebIdentityUser",
            "principalId": caller.principal_id,
            "userName": subject,
            "identityProvider": provider,
        }),
    }
}

fn session_context(caller: &Identity, session: &Session) -> Value {
    let mut context = json!({
        "sessionIssuer": {
            "type": "Role",
            "principalId": session.issuer_id,
            "arn": session.issuer_arn,
            "accountId": caller.account,
            "userName": session.role_name,
        },
        "attributes": {"creationDate": clock::iso(session.created_ms), "mfaAuthenticated": "false"},
    });
    if let Some(source) = &session.source_identity {
        context["sourceIdentity"] = json!(source);
    }
    if let Some(provider) = &session.federated_provider {
        context["webIdFederationData"] = json!({"federatedProvider": provider, "attributes": {}});
    }
    context
}

/// Request fields with the spelling of `CloudTrail`: names begin in lower case.
pub(super) fn lower_camel(input: &Value) -> Value {
    match input {
        Value::Object(fields) => {
            let renamed = fields.iter().map(|(name, value)| (decapitalised(name), lower_camel(value)));
            Value::Object(renamed.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(lower_camel).collect(),
        other => other.clone(),
    }
}

fn decapitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase().to_string() + letters.as_str()).unwrap_or_default()
}
