//! Errors of AWS calls, as far as the operator tells them apart.

use crate::{
    api::Reason,
    domain::{
        Fault,
        key::{KeyState, key_arn},
        parameter::Scope,
        text::list,
    },
};

/// A failed AWS call. Its message is AWS' own; it may name ARNs and accounts, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct AwsError {
    /// The class of error.
    pub kind: AwsErrorKind,
    /// AWS' error code, for example `AccessDeniedException`; none if no answer arrived.
    pub code: Option<String>,
    /// AWS' message, or what went wrong on the way.
    pub message: String,
    /// AWS' request id, if an answer arrived.
    pub request_id: Option<String>,
}

/// Classes of errors, each with its own remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsErrorKind {
    /// IAM denies the action itself.
    AccessDenied,
    /// IAM, key policy or grants deny `kms:Decrypt`.
    DecryptDenied,
    /// KMS cannot use the key: disabled, pending deletion, gone.
    KeyUnavailable,
    /// KMS does not take a ciphertext: not its own, or with another key or encryption context.
    CiphertextInvalid,
    /// AWS does not accept the credentials, or none could be found.
    CredentialsInvalid,
    /// No connection, or no answer in time.
    EndpointUnreachable,
    /// Too many requests.
    Throttled,
    /// AWS refused the request as malformed.
    Invalid,
    /// AWS failed, or its answer could not be read.
    ServiceUnavailable,
}

impl AwsErrorKind {
    /// The reason that conditions, Events and metrics show.
    pub const fn reason(self) -> Reason {
        match self {
            Self::AccessDenied => Reason::AccessDenied,
            Self::DecryptDenied => Reason::DecryptDenied,
            Self::KeyUnavailable => Reason::KeyUnavailable,
            Self::CiphertextInvalid => Reason::CiphertextInvalid,
            Self::CredentialsInvalid => Reason::CredentialsInvalid,
            Self::EndpointUnreachable => Reason::EndpointUnreachable,
            Self::Throttled => Reason::Throttled,
            Self::Invalid => Reason::InvalidSpec,
            Self::ServiceUnavailable => Reason::ServiceUnavailable,
        }
    }

    /// Classifies an error that AWS answered with, by code and message (reference: common errors of the SSM, KMS and
    /// STS APIs). Denials by KMS inside an SSM call are told by the service or action that their message names.
    pub fn classify(code: &str, message: &str, status: Option<u16>) -> Self {
        let from_kms = message.contains("AWSKMS") || message.contains("kms:Decrypt");
        match code {
            "AccessDeniedException" | "AccessDenied" if from_kms || message.contains("ciphertext refers to") => {
                Self::DecryptDenied
            }
            "AccessDeniedException" | "AccessDenied" => Self::AccessDenied,
            "InvalidKeyId"
            | "DisabledException"
            | "KMSInvalidStateException"
            | "NotFoundException"
            | "InvalidKeyUsageException" => Self::KeyUnavailable,
            "InvalidCiphertextException" | "IncorrectKeyException" => Self::CiphertextInvalid,
            "ThrottlingException"
            | "Throttling"
            | "ThrottledException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException"
            | "RequestThrottled"
            | "LimitExceededException" => Self::Throttled,
            "ExpiredTokenException"
            | "ExpiredToken"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "NotAuthorized"
            | "RequestExpired"
            | "InvalidIdentityToken"
            | "IDPCommunicationError" => Self::CredentialsInvalid,
            "ValidationException" | "ValidationError" => Self::Invalid,
            _ if status == Some(429) => Self::Throttled,
            _ => Self::ServiceUnavailable,
        }
    }
}

/// Who was denied what, as AWS says it in the message of a denial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Denial<'a> {
    /// ARN of the principal.
    pub principal: Option<&'a str>,
    /// The missing action, for example `ssm:GetParameters`.
    pub action: Option<&'a str>,
    /// ARN of the resource.
    pub resource: Option<&'a str>,
}

impl<'a> Denial<'a> {
    /// Reads `User: <principal> is not authorized to perform: <action> on resource: <resource> ...`.
    pub fn parse(message: &'a str) -> Self {
        let word_after = |marker: &str| {
            let (_, rest) = message.split_once(marker)?;
            let word = rest.split_whitespace().next()?;
            Some(word.trim_end_matches([',', '.', ';', '"']))
        };
        Self { principal: word_after("User: "), action: word_after("perform: "), resource: word_after("on resource: ") }
    }
}

/// The request id of the KMS call inside a failed SSM call: the key to its CloudTrail record.
pub fn kms_request_id(message: &str) -> Option<&str> {
    let (_, from_kms) = message.split_once("AWSKMS")?;
    let (_, rest) = from_kms.split_once("Request ID: ")?;
    rest.split([';', ')', ' ']).next().filter(|id| !id.is_empty())
}

impl AwsError {
    fn text(&self) -> String {
        match &self.code {
            Some(code) => format!("{code}: {}", self.sentence()),
            None => self.sentence().to_owned(),
        }
    }

    /// The message without what Parameter Store appends about its call of KMS: the request id in there differs with
    /// every attempt, and a failure that stays the same must read the same, or each look at it would be news.
    pub fn sentence(&self) -> &str {
        self.message.split_once(" (Service: AWSKMS").map_or(&self.message, |(sentence, _)| sentence)
    }

    /// Whether AWS refused the signature for its time. Its message then names both times, which differ with every
    /// attempt too.
    pub fn is_skewed(&self) -> bool {
        ["Signature expired", "Signature not yet current"].iter().any(|start| self.message.starts_with(start))
    }

    /// The failure as the owner of the object reads it.
    ///
    /// `principal` is the caller, `names` what was asked for, `key` what is known of the key.
    pub fn fault(&self, principal: Option<&str>, names: &[String], scope: &Scope, key: Option<&KeyState>) -> Fault {
        let denial = Denial::parse(&self.message);
        let principal = denial.principal.or(principal).unwrap_or("the operator's identity");
        let resource = denial.resource.map_or_else(|| list(names), str::to_owned);
        let message = match self.kind {
            AwsErrorKind::AccessDenied => format!(
                "{principal} may not call {} on {resource}; allow the action in its IAM policy.",
                denial.action.unwrap_or("ssm:GetParameters")
            ),
            AwsErrorKind::DecryptDenied => format!(
                "{principal} may not call kms:Decrypt on {}; allow it in the IAM policy and in the key's policy.",
                denial.resource.or_else(|| key_arn(&self.message)).unwrap_or("the key of the parameters")
            ),
            AwsErrorKind::KeyUnavailable => self.key_unavailable(names, key),
            AwsErrorKind::CiphertextInvalid if self.code.as_deref() == Some("IncorrectKeyException") => format!(
                "The value of {} was encrypted by another key than kmsDecrypt.keyId names; correct it, or leave it out.",
                list(names)
            ),
            AwsErrorKind::CiphertextInvalid => format!(
                "KMS cannot decrypt the value of {}: it is not what KMS made, or was made with another \
                 kmsDecrypt.encryptionContext; correct that, or the parameter.",
                list(names)
            ),
            AwsErrorKind::CredentialsInvalid if self.is_skewed() => format!(
                "AWS does not accept the operator's signature ({}): their clocks are more than five minutes apart; set \
                 the clock of the operator's node right.",
                self.code.as_deref().unwrap_or_default()
            ),
            AwsErrorKind::CredentialsInvalid if self.code.is_none() => format!(
                "No AWS credentials could be had for the store ({}); give the operator's ServiceAccount a role, or set \
                 spec.identity of the store.",
                self.message
            ),
            AwsErrorKind::CredentialsInvalid => format!(
                "AWS does not accept the credentials of the store ({}); renew them, the operator then goes on by itself.",
                self.text()
            ),
            AwsErrorKind::EndpointUnreachable => format!(
                "No answer from AWS in region {} ({}); check DNS, VPC endpoints and proxies.",
                scope.region,
                self.sentence()
            ),
            AwsErrorKind::Throttled => format!(
                "AWS throttles account {} in region {} ({}); the operator waits and tries again, lower the quota of the \
                 store if other clients need it.",
                scope.account,
                scope.region,
                self.text()
            ),
            AwsErrorKind::Invalid => {
                format!("AWS refuses the request for {} as invalid ({}); correct the spec.", list(names), self.text())
            }
            AwsErrorKind::ServiceUnavailable => {
                format!("AWS failed to answer for {} ({}); the operator tries again.", list(names), self.text())
            }
        };
        Fault::new(self.kind.reason(), message)
    }

    fn key_unavailable(&self, names: &[String], key: Option<&KeyState>) -> String {
        match key {
            Some(KeyState { arn, state, deletion_date, .. }) => {
                let deletion = deletion_date.as_ref().map(|date| format!(" on {date}")).unwrap_or_default();
                let remedy = if state == "PendingDeletion" {
                    "cancel the deletion and enable it, or write the parameters with another key"
                } else {
                    "enable it, or write the parameters with another key"
                };
                format!("KMS key {arn} of {} is in state {state}{deletion}; {remedy}.", list(names))
            }
            None => format!(
                "KMS cannot use the key of {} ({}); enable the key, or write the parameters with another one.",
                list(names),
                self.sentence().trim_end_matches('.')
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED: &str = "User: arn:aws:sts::111122223333:assumed-role/spo/demo is not authorized to perform: \
        ssm:GetParameters on resource: arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a because no \
        identity-based policy allows the ssm:GetParameters action";
    const DISABLED: &str = "arn:aws:kms:eu-central-1:111122223333:key/0d9f is disabled. (Service: AWSKMS; Status Code: \
        400; Error Code: DisabledException; Request ID: 6e9b2c1e-0000; Proxy: null)";

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    #[test]
    fn codes_are_classified() {
        use AwsErrorKind::*;
        for (code, message, expected) in [
            ("AccessDeniedException", DENIED, AccessDenied),
            (
                "AccessDeniedException",
                "User: x is not authorized to perform: kms:Decrypt on resource: y",
                DecryptDenied,
            ),
            (
                "AccessDeniedException",
                "The ciphertext refers to a customer master key that does not exist",
                DecryptDenied,
            ),
            ("InvalidKeyId", DISABLED, KeyUnavailable),
            ("InvalidCiphertextException", "", CiphertextInvalid),
            ("IncorrectKeyException", "", CiphertextInvalid),
            ("ThrottlingException", "Rate exceeded", Throttled),
            ("ExpiredTokenException", "", CredentialsInvalid),
            ("UnrecognizedClientException", "", CredentialsInvalid),
            ("InvalidClientTokenId", "", CredentialsInvalid),
            ("ValidationException", "", Invalid),
            ("InternalServerError", "", ServiceUnavailable),
            ("SomethingNew", "", ServiceUnavailable),
        ] {
            assert_eq!(AwsErrorKind::classify(code, message, Some(400)), expected, "{code} {message}");
        }
        assert_eq!(AwsErrorKind::classify("SomethingNew", "", Some(429)), Throttled);
    }

    #[test]
    fn a_denial_names_principal_action_and_resource() {
        let denial = Denial::parse(DENIED);
        assert_eq!(denial.principal, Some("arn:aws:sts::111122223333:assumed-role/spo/demo"));
        assert_eq!(denial.action, Some("ssm:GetParameters"));
        assert_eq!(denial.resource, Some("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a"));
        assert_eq!(Denial::parse("no such words"), Denial::default());
    }

    #[test]
    fn key_and_request_id_are_found_in_what_kms_says() {
        assert_eq!(key_arn(DISABLED), Some("arn:aws:kms:eu-central-1:111122223333:key/0d9f"));
        assert_eq!(kms_request_id(DISABLED), Some("6e9b2c1e-0000"));
        assert_eq!(key_arn(DENIED), None);
        assert_eq!(kms_request_id(DENIED), None);
    }

    #[test]
    fn messages_name_what_to_do() {
        let error = |kind, code: &str, message: &str| AwsError {
            kind,
            code: Some(code.into()),
            message: message.into(),
            request_id: None,
        };
        let names = ["/shop/a".to_owned()];
        let denied =
            error(AwsErrorKind::AccessDenied, "AccessDeniedException", DENIED).fault(None, &names, &scope(), None);
        for part in ["assumed-role/spo/demo", "ssm:GetParameters", "parameter/shop/a"] {
            assert!(denied.message.contains(part), "{}", denied.message);
        }
        let key = KeyState {
            arn: "KEY".into(),
            manager: None,
            state: "PendingDeletion".into(),
            deletion_date: Some("DAY".into()),
        };
        let fault =
            error(AwsErrorKind::KeyUnavailable, "InvalidKeyId", DISABLED).fault(None, &names, &scope(), Some(&key));
        for part in ["KEY", "PendingDeletion", "DAY", "/shop/a", "cancel"] {
            assert!(fault.message.contains(part), "{}", fault.message);
        }
    }

    #[test]
    fn a_failure_that_stays_the_same_reads_the_same() {
        let fault = |kind, code: &str, message: String| {
            let error = AwsError { kind, code: Some(code.into()), message, request_id: None };
            error.fault(None, &["/shop/a".to_owned()], &scope(), None).message
        };
        let disabled = |id| fault(AwsErrorKind::KeyUnavailable, "InvalidKeyId", DISABLED.replace("6e9b2c1e-0000", id));
        assert_eq!(disabled("1"), disabled("2"));
        assert!(disabled("1").contains("key/0d9f is disabled); enable"), "{}", disabled("1"));
        let throttled = |id| {
            let message = format!("Rate exceeded (Service: AWSKMS; Status Code: 400; Request ID: {id}; Proxy: null)");
            fault(AwsErrorKind::Throttled, "ThrottlingException", message)
        };
        assert_eq!(throttled("1"), throttled("2"));
        let skewed = |time| {
            let message = format!("Signature expired: {time} is now earlier than {time} ({time} - 5 min.)");
            fault(AwsErrorKind::CredentialsInvalid, "InvalidSignatureException", message)
        };
        assert_eq!(skewed("20261124T100000Z"), skewed("20261124T100001Z"));
        assert!(skewed("20261124T100000Z").contains("clock"));
    }
}
