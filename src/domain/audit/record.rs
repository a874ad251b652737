//! The record of one AWS call.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::audit::aws_error::kms_request_id;
use crate::domain::audit::{ApiCall, ObjectRef, ParameterOutcome, Principal, SCHEMA, Session, WebIdentity, to_seconds};

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
        facts: &ApiCall,
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

fn cloudtrail(facts: &ApiCall, principal: Option<&Principal>) -> Value {
    let mut record = json!({
        "userIdentity": user_identity(facts, principal),
        "eventTime": to_seconds(facts.event_time),
        "eventSource": facts.event_source,
        "eventName": facts.event_name,
        "awsRegion": facts.region,
        "requestParameters": facts.request_parameters,
        "responseElements": response_elements(facts.session.as_ref()),
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
    set("recipientAccountId", recipient(facts, principal).map(|account| json!(account)));
    // Without a code the error is not AWS' own.
    let error = facts.error.as_ref().and_then(|error| Some((error.code.as_ref()?, &error.message)));
    set("errorCode", error.map(|(code, _)| json!(code)));
    set("errorMessage", error.map(|(_, message)| json!(message)));
    record
}

/// Null for whatever only reads, as CloudTrail has it.
fn response_elements(session: Option<&Session>) -> Value {
    let Some(Session { access_key_id, assumed_role_id, arn, .. }) = session else { return Value::Null };
    json!({
        "credentials": {"accessKeyId": access_key_id},
        "assumedRoleUser": {"assumedRoleId": assumed_role_id, "arn": arn},
    })
}

/// The account that CloudTrail writes the record for: the caller's, or that of the role where a token is the caller.
fn recipient<'a>(facts: &'a ApiCall, principal: Option<&'a Principal>) -> Option<&'a str> {
    let by_token = facts.session.as_ref().is_some_and(|session| session.web_identity.is_some());
    let of_role = facts.resources.first().filter(|_| by_token).and_then(|role| role.account_id.as_deref());
    principal.map(|principal| principal.account.as_str()).or(of_role)
}

fn user_identity(facts: &ApiCall, principal: Option<&Principal>) -> Value {
    if let Some(WebIdentity { provider, audience, subject }) =
        facts.session.as_ref().and_then(|session| session.web_identity.as_ref())
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

fn decryptions(facts: &ApiCall, parameters: &[ParameterOutcome]) -> Vec<Decryption> {
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
    // What KMS was asked for directly is the call itself.
    let inner = facts.event_source == "ssm.amazonaws.com";
    let decrypted = parameters.iter().filter(|p| inner && p.outcome == "Decrypted");
    decrypted.map(|parameter| decryption(Some(&parameter.arn), None)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{
        Resource,
        aws_error::{AwsError, AwsErrorKind},
    };
    use k8s_openapi::jiff::Timestamp;

    fn facts() -> ApiCall {
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
        let facts = ApiCall { request_id: None, answered: false, error: Some(error), ..facts() };
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
        let facts = ApiCall { error: Some(error), ..facts() };
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
