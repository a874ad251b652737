//! The record of one AWS call.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::{
    audit::{
        api_call::{ApiCall, RoleSession, WebIdentity},
        format::{SCHEMA, to_rfc3339},
        object_ref::ObjectRef,
        parameter_outcome::ParameterOutcome,
        principal::Principal,
    },
    aws_error::{AwsErrorKind, kms_request_id},
};

/// A KMS decryption that Parameter Store makes on the caller's behalf. The caller is told its request id only on failure;
/// on success, CloudTrail's record of it joins by encryption context and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Decryption {
    event_source: &'static str,
    event_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context: Option<Value>,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The record of one AWS call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditRecord {
    schema: &'static str,
    /// Id of this record; not CloudTrail's `eventID`.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// The fields that CloudTrail's record of the same call has, too.
    pub cloudtrail: Value,
    /// Whether a response arrived; without one there is no request id, and perhaps no CloudTrail record.
    pub answered: bool,
    /// An error of the client's own: no connection, no response, or one that it cannot parse. Not part of `cloudtrail`,
    /// since CloudTrail does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_error: Option<String>,
    /// The result for each parameter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterOutcome>,
    /// KMS decryptions that AWS makes for this call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) decryptions: Vec<Decryption>,
    /// The objects that the call was made for.
    pub objects: Vec<ObjectRef>,
    /// The operation, for metrics.
    #[serde(skip)]
    pub(crate) event_name: &'static str,
    /// The class of the error, for metrics.
    #[serde(skip)]
    pub(crate) error: Option<AwsErrorKind>,
    /// How long the call took, for metrics.
    #[serde(skip)]
    pub(crate) duration: Option<Duration>,
}

impl AuditRecord {
    /// Creates the record of a call. `audit_id` is a random id; `principal` is the caller, where known.
    pub(crate) fn new(
        audit_id: String,
        call: &ApiCall,
        principal: Option<&Principal>,
        parameters: Vec<ParameterOutcome>,
        objects: Vec<ObjectRef>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            audit_id,
            cloudtrail: cloudtrail(call, principal),
            answered: call.answered,
            client_error: call.error.as_ref().filter(|error| error.code.is_none()).map(|error| error.message.clone()),
            decryptions: decryptions(call, &parameters),
            parameters,
            objects,
            event_name: call.event_name,
            error: call.error.as_ref().map(|error| error.kind),
            duration: call.duration,
        }
    }
}

fn cloudtrail(call: &ApiCall, principal: Option<&Principal>) -> Value {
    let mut record = json!({
        "userIdentity": user_identity(call, principal),
        "eventTime": to_rfc3339(call.event_time),
        "eventSource": call.event_source,
        "eventName": call.event_name,
        "awsRegion": call.region,
        "requestParameters": call.request_parameters,
        "responseElements": response_elements(call.session.as_ref()),
        "requestID": call.request_id,
        "readOnly": true,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "eventCategory": "Management",
    });
    let mut set = |key: &str, value: Option<Value>| {
        if let (Some(value), Some(record)) = (value, record.as_object_mut()) {
            record.insert(key.to_owned(), value);
        }
    };
    set("resources", (!call.resources.is_empty()).then(|| json!(call.resources)));
    set("userAgent", call.user_agent.as_ref().map(|agent| json!(agent)));
    set("recipientAccountId", recipient(call, principal).map(|account| json!(account)));
    // Without a code the error is not AWS' own.
    let error = call.error.as_ref().and_then(|error| Some((error.code.as_ref()?, &error.message)));
    set("errorCode", error.map(|(code, _)| json!(code)));
    set("errorMessage", error.map(|(_, message)| json!(message)));
    record
}

/// Null for calls that only read, as in CloudTrail.
fn response_elements(session: Option<&RoleSession>) -> Value {
    let Some(RoleSession { access_key_id, assumed_role_id, arn, .. }) = session else { return Value::Null };
    json!({
        "credentials": {"accessKeyId": access_key_id},
        "assumedRoleUser": {"assumedRoleId": assumed_role_id, "arn": arn},
    })
}

/// Returns the account that receives CloudTrail's record: the caller's, or that of the role if the caller is a token.
fn recipient<'a>(call: &'a ApiCall, principal: Option<&'a Principal>) -> Option<&'a str> {
    let is_web_identity = call.session.as_ref().is_some_and(|session| session.web_identity.is_some());
    let role_account = call.resources.first().filter(|_| is_web_identity).and_then(|role| role.account_id.as_deref());
    principal.map(|principal| principal.account.as_str()).or(role_account)
}

fn user_identity(call: &ApiCall, principal: Option<&Principal>) -> Value {
    if let Some(WebIdentity { provider, audience, subject }) =
        call.session.as_ref().and_then(|session| session.web_identity.as_ref())
    {
        return json!({
            "type": "WebIdentityUser",
            "principalId": format!("{provider}:{audience}:{subject}"),
            "userName": subject,
            "identityProvider": provider,
        });
    }
    let mut identity = serde_json::Map::new();
    if let Some(principal) = principal {
        identity.insert("type".to_owned(), json!(identity_type(&principal.arn)));
        identity.insert("principalId".to_owned(), json!(principal.user_id));
        identity.insert("arn".to_owned(), json!(principal.arn));
        identity.insert("accountId".to_owned(), json!(principal.account));
    }
    if let Some(access_key_id) = &call.access_key_id {
        identity.insert("accessKeyId".to_owned(), json!(access_key_id));
    }
    Value::Object(identity)
}

/// Returns CloudTrail's `userIdentity.type` for the ARN of a caller.
fn identity_type(arn: &str) -> &'static str {
    match arn.splitn(6, ':').nth(5).unwrap_or_default() {
        resource if resource.starts_with("assumed-role/") => "AssumedRole",
        resource if resource.starts_with("federated-user/") => "FederatedUser",
        "root" => "Root",
        _ => "IAMUser",
    }
}

fn decryptions(call: &ApiCall, parameters: &[ParameterOutcome]) -> Vec<Decryption> {
    let decryption = |arn: Option<&str>, request_id: Option<&str>| Decryption {
        event_source: "kms.amazonaws.com",
        event_name: "Decrypt",
        encryption_context: arn.map(|arn| json!({"PARAMETER_ARN": arn})),
        request_id: request_id.map(str::to_owned),
    };
    if let Some(id) = call.error.as_ref().and_then(|error| kms_request_id(&error.message)) {
        // AWS does not say which parameter failed, so only a single one is certain.
        let arn = if let [only] = parameters { Some(only.arn.as_str()) } else { None };
        return vec![decryption(arn, Some(id))];
    }
    // A direct call of KMS is the decryption itself.
    let is_ssm = call.event_source == "ssm.amazonaws.com";
    let decrypted = parameters.iter().filter(|p| is_ssm && p.outcome == "Decrypted");
    decrypted.map(|parameter| decryption(Some(&parameter.arn), None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{audit::api_call::Resource, aws_error::AwsError};
    use k8s_openapi::jiff::Timestamp;

    fn call() -> ApiCall {
        ApiCall {
            event_source: "ssm.amazonaws.com",
            event_name: "GetParameters",
            region: "eu-central-1".into(),
            request_parameters: json!({"names": ["/a"], "withDecryption": true}),
            resources: vec![Resource::parameter("arn:aws:ssm:eu-central-1:111122223333:parameter/a")],
            request_id: Some("id".into()),
            event_time: Timestamp::from_millisecond(1_700_000_000_900).expect("a time"),
            answered: true,
            user_agent: Some("agent".into()),
            access_key_id: Some("ASIAEXAMPLE".into()),
            duration: None,
            error: None,
            session: None,
        }
    }

    fn outcome(name: &str, outcome: &'static str) -> ParameterOutcome {
        ParameterOutcome {
            arn: format!("arn:{name}"),
            selector: None,
            version: Some(1),
            type_: None,
            key: None,
            outcome,
        }
    }

    #[test]
    fn a_record_has_the_fields_of_cloudtrail() {
        let principal = Principal {
            arn: "arn:aws:sts::111122223333:assumed-role/spo/demo".into(),
            account: "111122223333".into(),
            user_id: "AROA:demo".into(),
        };
        let record = AuditRecord::new("x".into(), &call(), Some(&principal), vec![outcome("a", "Decrypted")], vec![]);
        let record = serde_json::to_value(record).expect("JSON");
        let cloudtrail = &record["cloudtrail"];
        assert_eq!(cloudtrail["userIdentity"]["type"], "AssumedRole");
        assert_eq!(cloudtrail["userIdentity"]["accessKeyId"], "ASIAEXAMPLE");
        assert_eq!(cloudtrail["eventTime"], "2023-11-14T22:13:20Z");
        assert_eq!(cloudtrail["resources"][0]["accountId"], "111122223333");
        assert!(cloudtrail.get("errorCode").is_none());
        assert!(cloudtrail.get("eventID").is_none(), "only CloudTrail knows it");
        assert_eq!(record["decryptions"][0]["encryptionContext"]["PARAMETER_ARN"], "arn:a");
    }

    #[test]
    fn a_call_without_a_response_has_a_client_error_only() {
        let error = AwsError {
            kind: AwsErrorKind::EndpointUnreachable,
            code: None,
            message: "connection refused".into(),
            request_id: None,
        };
        let call = ApiCall { request_id: None, answered: false, error: Some(error), ..call() };
        let record = serde_json::to_value(AuditRecord::new("x".into(), &call, None, vec![], vec![])).expect("JSON");
        assert_eq!(record["answered"], false);
        assert_eq!(record["cloudtrail"]["requestID"], Value::Null);
        assert_eq!(record["clientError"], "connection refused");
        for field in ["errorCode", "errorMessage"] {
            assert!(record["cloudtrail"].get(field).is_none(), "{field} holds only errors of AWS");
        }
        assert_eq!(record["cloudtrail"]["userIdentity"], json!({"accessKeyId": "ASIAEXAMPLE"}));
    }

    #[test]
    fn a_failed_decryption_names_its_parameter_only_if_there_is_one() {
        let error = AwsError {
            kind: AwsErrorKind::KeyUnavailable,
            code: Some("InvalidKeyId".into()),
            message: "KEY is disabled. (Service: AWSKMS; Status Code: 400; Request ID: of-kms; Proxy: null)".into(),
            request_id: Some("of-ssm".into()),
        };
        let call = ApiCall { error: Some(error), ..call() };
        let one = serde_json::to_value(decryptions(&call, &[outcome("a", "Failed")])).expect("JSON");
        assert_eq!(one[0]["requestID"], "of-kms");
        assert_eq!(one[0]["encryptionContext"], json!({"PARAMETER_ARN": "arn:a"}));
        let two = [outcome("a", "Failed"), outcome("b", "Failed")];
        let two = serde_json::to_value(decryptions(&call, &two)).expect("JSON");
        assert_eq!(two[0]["requestID"], "of-kms");
        assert!(two[0].get("encryptionContext").is_none());
    }

    #[test]
    fn only_decrypted_parameters_have_a_decryption() {
        let parameters = [outcome("a", "Decrypted"), outcome("b", "Read"), outcome("c", "NotFound")];
        assert_eq!(decryptions(&call(), &parameters).len(), 1);
    }
}
