//! Audit records in CloudTrail's own vocabulary: what a client can know of a call, nothing guessed.
//!
//! Field names and shapes: CloudTrail User Guide, "CloudTrail record contents for management events". What only AWS
//! knows (`eventID`, `sourceIPAddress`, TLS details) is left out.

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    aws_error::{AwsError, kms_request_id},
    decide::Purpose,
    parameter::account_of,
};

/// Schema of all records on the audit stream.
pub const SCHEMA: &str = "secureparameter.io/audit/v1";

/// Who calls AWS, as STS GetCallerIdentity says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// ARN of the principal.
    pub arn: String,
    /// Account of the principal.
    pub account: String,
    /// `UserId` of GetCallerIdentity: CloudTrail's `principalId`.
    pub user_id: String,
}

/// One AWS call, as its client saw it.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// `ssm.amazonaws.com` and so on.
    pub event_source: &'static str,
    /// The operation.
    pub event_name: &'static str,
    /// Region that was asked.
    pub region: String,
    /// Parameters of the request in CloudTrail's spelling.
    pub request_parameters: Value,
    /// ARNs of what was asked for.
    pub resources: Vec<Resource>,
    /// AWS' request id; none if no answer arrived.
    pub request_id: Option<String>,
    /// Time of the answer by AWS' clock, or of its absence by ours.
    pub event_time: Timestamp,
    /// Whether an answer arrived.
    pub answered: bool,
    /// User agent that was sent.
    pub user_agent: Option<String>,
    /// Access key id that signed the call: an identifier, not a secret.
    pub access_key_id: Option<String>,
    /// What went wrong.
    pub error: Option<AwsError>,
}

/// One resource of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// Its ARN.
    #[serde(rename = "ARN")]
    pub arn: String,
    /// The account it is in.
    #[serde(rename = "accountId", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// `AWS::KMS::Key` for keys; SSM's records have none.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<&'static str>,
}

impl Resource {
    /// A parameter.
    pub fn parameter(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account_id: account_of(arn).map(str::to_owned), type_: None }
    }

    /// A KMS key.
    pub fn key(arn: &str) -> Self {
        Self { arn: arn.to_owned(), account_id: account_of(arn).map(str::to_owned), type_: Some("AWS::KMS::Key") }
    }
}

/// What became of one parameter within a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterOutcome {
    /// ARN; made from the name where AWS did not say it.
    pub arn: String,
    /// Version or label asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Version that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// `SecureString`, `String` or `StringList`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// `Decrypted`, `Read` (not encrypted or not decrypted), `NotFound` or `Failed`.
    pub outcome: &'static str,
}

/// The object that a call was made for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its namespace; none for cluster stores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The Secret it writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Why the call was made for it.
    pub reason: &'static str,
}

impl ObjectRef {
    /// The same object with another reason.
    #[must_use]
    pub fn because(&self, purpose: Purpose) -> Self {
        Self { reason: purpose.as_str(), ..self.clone() }
    }
}

/// A KMS decryption inside an SSM call. AWS makes it on the caller's behalf under a request id that the caller learns
/// only on failure; on success CloudTrail's record joins by encryption context and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decryption {
    event_source: &'static str,
    event_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encryption_context: Option<Value>,
    #[serde(rename = "requestID", skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// One record of the audit stream about one AWS call.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRecord {
    schema: &'static str,
    /// Id of this record; not CloudTrail's `eventID`.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// The fields that CloudTrail's record of the same call has too.
    pub cloudtrail: Value,
    /// Whether AWS answered; without an answer there is no request id and maybe no CloudTrail record.
    pub answered: bool,
    /// What the client saw where AWS named no error: no connection, no answer, or one that could not be read. Not part
    /// of `cloudtrail`, since CloudTrail does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_error: Option<String>,
    /// Per parameter, what became of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterOutcome>,
    /// KMS decryptions that AWS makes for this call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decryptions: Vec<Decryption>,
    /// The objects that the call was made for.
    pub objects: Vec<ObjectRef>,
}

impl AuditRecord {
    /// The record of a call. `audit_id` is random, `principal` the caller where known.
    pub fn new(
        audit_id: String,
        facts: &CallFacts,
        principal: Option<&Principal>,
        parameters: Vec<ParameterOutcome>,
        objects: Vec<ObjectRef>,
    ) -> Self {
        Self {
            schema: SCHEMA,
            audit_id,
            cloudtrail: cloudtrail(facts, principal),
            answered: facts.answered,
            client_error: facts.error.as_ref().filter(|error| error.code.is_none()).map(|error| error.message.clone()),
            decryptions: decryptions(facts, &parameters),
            parameters,
            objects,
        }
    }
}

fn cloudtrail(facts: &CallFacts, principal: Option<&Principal>) -> Value {
    let mut record = json!({
        "userIdentity": user_identity(facts, principal),
        "eventTime": to_seconds(facts.event_time),
        "eventSource": facts.event_source,
        "eventName": facts.event_name,
        "awsRegion": facts.region,
        "requestParameters": facts.request_parameters,
        "responseElements": null,
        "requestID": facts.request_id,
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
    set("resources", (!facts.resources.is_empty()).then(|| json!(facts.resources)));
    set("userAgent", facts.user_agent.as_ref().map(|agent| json!(agent)));
    set("recipientAccountId", principal.map(|principal| json!(principal.account)));
    // Without a code the error is not AWS' own.
    let error = facts.error.as_ref().and_then(|error| Some((error.code.as_ref()?, &error.message)));
    set("errorCode", error.map(|(code, _)| json!(code)));
    set("errorMessage", error.map(|(_, message)| json!(message)));
    record
}

fn user_identity(facts: &CallFacts, principal: Option<&Principal>) -> Value {
    let mut identity = serde_json::Map::new();
    if let Some(principal) = principal {
        identity.insert("type".to_owned(), json!(identity_type(&principal.arn)));
        identity.insert("principalId".to_owned(), json!(principal.user_id));
        identity.insert("arn".to_owned(), json!(principal.arn));
        identity.insert("accountId".to_owned(), json!(principal.account));
    }
    if let Some(access_key_id) = &facts.access_key_id {
        identity.insert("accessKeyId".to_owned(), json!(access_key_id));
    }
    Value::Object(identity)
}

/// CloudTrail's `userIdentity.type` for a caller's ARN.
fn identity_type(arn: &str) -> &'static str {
    match arn.splitn(6, ':').nth(5).unwrap_or_default() {
        resource if resource.starts_with("assumed-role/") => "AssumedRole",
        resource if resource.starts_with("federated-user/") => "FederatedUser",
        "root" => "Root",
        _ => "IAMUser",
    }
}

fn decryptions(facts: &CallFacts, parameters: &[ParameterOutcome]) -> Vec<Decryption> {
    let decryption = |arn: Option<&str>, request_id: Option<&str>| Decryption {
        event_source: "kms.amazonaws.com",
        event_name: "Decrypt",
        encryption_context: arn.map(|arn| json!({"PARAMETER_ARN": arn})),
        request_id: request_id.map(str::to_owned),
    };
    if let Some(id) = facts.error.as_ref().and_then(|error| kms_request_id(&error.message)) {
        // AWS does not say which of the parameters it was; with one there is no doubt.
        let arn = if let [only] = parameters { Some(only.arn.as_str()) } else { None };
        return vec![decryption(arn, Some(id))];
    }
    let decrypted = parameters.iter().filter(|p| p.outcome == "Decrypted");
    decrypted.map(|parameter| decryption(Some(&parameter.arn), None)).collect()
}

/// A write of a Secret, on the same stream: so that a write without an AWS call is not taken for an access.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretWrite {
    schema: &'static str,
    /// Id of this record.
    #[serde(rename = "auditID")]
    audit_id: String,
    #[serde(rename = "secretWrite")]
    details: WriteDetails,
    objects: Vec<ObjectRef>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WriteDetails {
    verb: &'static str,
    time: String,
    resource_version: Option<String>,
    #[serde(rename = "requestIDs")]
    request_ids: Vec<String>,
}

impl SecretWrite {
    /// The record of a write: its `verb` (`apply`, `delete`, `release` or `withdraw`), what it led to and the AWS calls
    /// behind it.
    pub fn new(
        audit_id: String,
        verb: &'static str,
        time: Timestamp,
        resource_version: Option<String>,
        request_ids: Vec<String>,
        object: ObjectRef,
    ) -> Self {
        let details = WriteDetails { verb, time: to_seconds(time), resource_version, request_ids };
        Self { schema: SCHEMA, audit_id, details, objects: vec![object] }
    }
}

/// Receives the records: the audit stream, and the metrics about calls.
pub trait Trail: Send + Sync + 'static {
    /// Takes the record of one AWS call.
    fn call(&self, record: &AuditRecord);
    /// Takes the record of one write of a Secret.
    fn write(&self, record: &SecretWrite);
}

/// RFC 3339 in whole seconds and UTC, as CloudTrail writes times.
pub fn to_seconds(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::aws_error::AwsErrorKind;

    fn facts() -> CallFacts {
        CallFacts {
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
            error: None,
        }
    }

    fn outcome(name: &str, outcome: &'static str) -> ParameterOutcome {
        ParameterOutcome { arn: format!("arn:{name}"), selector: None, version: Some(1), type_: None, outcome }
    }

    #[test]
    fn the_record_has_cloudtrails_fields() {
        let principal = Principal {
            arn: "arn:aws:sts::111122223333:assumed-role/spo/demo".into(),
            account: "111122223333".into(),
            user_id: "AROA:demo".into(),
        };
        let record = AuditRecord::new("x".into(), &facts(), Some(&principal), vec![outcome("a", "Decrypted")], vec![]);
        let record = serde_json::to_value(record).expect("JSON");
        let cloudtrail = &record["cloudtrail"];
        assert_eq!(cloudtrail["userIdentity"]["type"], "AssumedRole");
        assert_eq!(cloudtrail["userIdentity"]["accessKeyId"], "ASIAEXAMPLE");
        assert_eq!(cloudtrail["eventTime"], "2023-11-14T22:13:20Z");
        assert_eq!(cloudtrail["resources"][0]["accountId"], "111122223333");
        assert!(cloudtrail.get("errorCode").is_none());
        assert!(cloudtrail.get("eventID").is_none(), "CloudTrail's own: never invented");
        assert_eq!(record["decryptions"][0]["encryptionContext"]["PARAMETER_ARN"], "arn:a");
    }

    #[test]
    fn a_call_without_an_answer_says_so() {
        let error = AwsError {
            kind: AwsErrorKind::EndpointUnreachable,
            code: None,
            message: "connection refused".into(),
            request_id: None,
        };
        let facts = CallFacts { request_id: None, answered: false, error: Some(error), ..facts() };
        let record = serde_json::to_value(AuditRecord::new("x".into(), &facts, None, vec![], vec![])).expect("JSON");
        assert_eq!(record["answered"], false);
        assert_eq!(record["cloudtrail"]["requestID"], Value::Null);
        assert_eq!(record["clientError"], "connection refused");
        for field in ["errorCode", "errorMessage"] {
            assert!(record["cloudtrail"].get(field).is_none(), "{field} is AWS' to say");
        }
        assert_eq!(record["cloudtrail"]["userIdentity"], json!({"accessKeyId": "ASIAEXAMPLE"}));
    }

    #[test]
    fn a_failed_decryption_names_its_parameter_only_where_that_is_certain() {
        let error = AwsError {
            kind: AwsErrorKind::KeyUnavailable,
            code: Some("InvalidKeyId".into()),
            message: "KEY is disabled. (Service: AWSKMS; Status Code: 400; Request ID: of-kms; Proxy: null)".into(),
            request_id: Some("of-ssm".into()),
        };
        let facts = CallFacts { error: Some(error), ..facts() };
        let one = serde_json::to_value(decryptions(&facts, &[outcome("a", "Failed")])).expect("JSON");
        assert_eq!(one[0]["requestID"], "of-kms");
        assert_eq!(one[0]["encryptionContext"], json!({"PARAMETER_ARN": "arn:a"}));
        let two = [outcome("a", "Failed"), outcome("b", "Failed")];
        let two = serde_json::to_value(decryptions(&facts, &two)).expect("JSON");
        assert_eq!(two[0]["requestID"], "of-kms");
        assert!(two[0].get("encryptionContext").is_none());
    }

    #[test]
    fn only_decrypted_parameters_expect_a_decryption() {
        let parameters = [outcome("a", "Decrypted"), outcome("b", "Read"), outcome("c", "NotFound")];
        assert_eq!(decryptions(&facts(), &parameters).len(), 1);
    }
}
