//! Errors of AWS calls, in the classes that the operator distinguishes.

use crate::api::Reason;

/// A failed AWS call. Its message is AWS' own; it may name ARNs and accounts, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub(crate) struct AwsError {
    /// The class of error.
    pub kind: AwsErrorKind,
    /// AWS' error code, for example `AccessDeniedException`; none without a response.
    pub code: Option<String>,
    /// AWS' message, or the client's own.
    pub message: String,
    /// AWS' request id; none without a response.
    pub request_id: Option<String>,
}

/// The action that a trust policy allows to ServiceAccounts.
pub(crate) const WITH_WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";
/// Who calls it, where the message may not say more.
pub(crate) const SERVICE_ACCOUNT: &str = "The ServiceAccount of the store";

/// Classes of errors, each with its own remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AwsErrorKind {
    /// IAM denies the action itself.
    AccessDenied,
    /// IAM, key policy or grants deny `kms:Decrypt`.
    DecryptDenied,
    /// KMS cannot use the key: disabled, pending deletion, gone.
    KeyUnavailable,
    /// KMS rejects a ciphertext: it is not KMS', or it belongs to another key or encryption context.
    CiphertextInvalid,
    /// AWS rejects the credentials, or there are none.
    CredentialsInvalid,
    /// No connection, or no response in time.
    EndpointUnreachable,
    /// Too many requests.
    Throttled,
    /// AWS rejects the request as malformed.
    Invalid,
    /// AWS failed, or its response could not be parsed.
    ServiceUnavailable,
}

impl AwsErrorKind {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::AccessDenied,
        Self::DecryptDenied,
        Self::KeyUnavailable,
        Self::CiphertextInvalid,
        Self::CredentialsInvalid,
        Self::EndpointUnreachable,
        Self::Throttled,
        Self::Invalid,
        Self::ServiceUnavailable,
    ];

    /// Returns the reason for conditions, Events and metrics.
    pub(crate) const fn reason(self) -> Reason {
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

    /// Classifies an error response by its code and message (SSM, KMS and STS API references, "Common Errors"). A denial by
    /// KMS inside an SSM call is recognised by the service or action in its message.
    pub(crate) fn classify(code: &str, message: &str, status: Option<u16>) -> Self {
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
            | "IDPRejectedClaim" => Self::CredentialsInvalid,
            "ValidationException"
            | "ValidationError"
            | "InvalidParameterValue"
            | "MalformedPolicyDocument"
            | "PackedPolicyTooLarge"
            | "RegionDisabledException" => Self::Invalid,
            _ if status == Some(429) => Self::Throttled,
            _ => Self::ServiceUnavailable,
        }
    }
}

/// Who was denied what, parsed from AWS' message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Denial<'a> {
    /// ARN of the principal.
    pub principal: Option<&'a str>,
    /// The missing action, for example `ssm:GetParameters`.
    pub action: Option<&'a str>,
    /// ARN of the resource.
    pub resource: Option<&'a str>,
    /// Why: which kind of policy does not allow it.
    pub reason: Option<&'a str>,
    /// Which kind of policy denies it explicitly.
    pub explicit_deny: Option<&'a str>,
}

impl<'a> Denial<'a> {
    /// Parses `User: <principal> is not authorized to perform: <action> on resource: <resource> because no <kind of>
    /// policy allows the <action> action`, or `... with an explicit deny in a <kind of> policy` (IAM User Guide,
    /// troubleshooting access denied error messages).
    pub(crate) fn parse(message: &'a str) -> Self {
        let word_after = |marker: &str| {
            let (_, rest) = message.split_once(marker)?;
            let word = rest.split_whitespace().next()?;
            Some(word.trim_end_matches([',', '.', ';', '"']))
        };
        let rest_after = |marker: &str| {
            let (_, rest) = message.lines().next()?.split_once(marker)?;
            Some(rest.split(" (Service: ").next()?.trim_end_matches('.'))
        };
        Self {
            principal: word_after("User: "),
            action: word_after("perform: "),
            resource: word_after("on resource: "),
            reason: rest_after(" because "),
            explicit_deny: rest_after(" with an explicit deny in "),
        }
    }

    /// Returns the next step, as the end of a sentence about the denial of an action. `usual` says where the action on the
    /// resource is normally allowed.
    pub(crate) fn remedy(&self, action: &str, resource: &str, usual: &str) -> String {
        let usual = match self.action {
            // STS knows no other side than the trust policy here, and does not say more.
            Some(WITH_WEB_IDENTITY) => "in the trust policy of the role, for this ServiceAccount and its audience",
            // Both policies have to allow these, and STS does not say which does not.
            Some("sts:AssumeRole" | "sts:TagSession" | "sts:SetSourceIdentity") => {
                "in its IAM policy and in the trust policy of the role"
            }
            _ => usual,
        };
        if let Some(policy) = self.explicit_deny {
            return format!(" on {resource}, with an explicit deny in {policy}; remove the deny there");
        }
        match self.reason {
            Some(reason) if !reason.contains("identity-based policy") => {
                format!(" on {resource} because {reason}; allow it there")
            }
            _ => format!("; allow {action} on {resource} {usual}"),
        }
    }
}

/// Returns the request id of the KMS call inside a failed SSM call, which joins to CloudTrail's record of that call.
pub(crate) fn kms_request_id(message: &str) -> Option<&str> {
    let (_, from_kms) = message.split_once("AWSKMS")?;
    let (_, rest) = from_kms.split_once("Request ID: ")?;
    rest.split([';', ')', ' ']).next().filter(|id| !id.is_empty())
}

impl AwsError {
    /// Returns code and message.
    pub(crate) fn text(&self) -> String {
        match &self.code {
            Some(code) => format!("{code}: {}", self.stable_message()),
            None => self.stable_message().to_owned(),
        }
    }

    /// Returns the message without the details of a KMS call that Parameter Store appends: they include a request id,
    /// which differs with each attempt, and a status must not change while the failure stays the same.
    pub(crate) fn stable_message(&self) -> &str {
        self.message.split_once(" (Service: AWSKMS").map_or(&self.message, |(message, _)| message)
    }

    /// Reports whether a policy of the caller's own role or user denies the call explicitly.
    pub(crate) fn is_denied_by_own_policy(&self) -> bool {
        Denial::parse(&self.message).explicit_deny.is_some_and(|policy| policy.contains("identity-based policy"))
    }

    /// Reports whether AWS rejected the signature because of its time. The message then names both times, which differ
    /// with each attempt.
    pub(crate) fn is_clock_skew(&self) -> bool {
        ["Signature expired", "Signature not yet current"].iter().any(|start| self.message.starts_with(start))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::parameter::key::key_arn;

    pub const DENIED: &str = "User: arn:aws:sts::111122223333:assumed-role/spo/demo is not authorized to perform: \
        ssm:GetParameters on resource: arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a because no \
        identity-based policy allows the ssm:GetParameters action";
    pub const DISABLED: &str = "arn:aws:kms:eu-central-1:111122223333:key/0d9f is disabled. (Service: AWSKMS; Status Code: \
        400; Error Code: DisabledException; Request ID: 6e9b2c1e-0000; Proxy: null)";

    #[test]
    fn an_error_code_has_its_class() {
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
            ("InvalidIdentityToken", "", CredentialsInvalid),
            ("IDPCommunicationError", "", ServiceUnavailable),
            ("PackedPolicyTooLarge", "", Invalid),
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
    fn an_explicit_deny_of_the_callers_own_policy_is_recognized() {
        let (begin, _) = DENIED.split_once(" because ").expect("a reason");
        for (policy, expected) in [("an identity-based policy", true), ("a service control policy", false)] {
            let message = format!("{begin} with an explicit deny in {policy}");
            let error = AwsError { kind: AwsErrorKind::AccessDenied, code: None, message, request_id: None };
            assert_eq!(error.is_denied_by_own_policy(), expected, "{policy}");
        }
        let implicit =
            AwsError { kind: AwsErrorKind::AccessDenied, code: None, message: DENIED.to_owned(), request_id: None };
        assert!(!implicit.is_denied_by_own_policy());
    }

    #[test]
    fn key_and_request_id_are_found_in_a_message_of_kms() {
        assert_eq!(key_arn(DISABLED), Some("arn:aws:kms:eu-central-1:111122223333:key/0d9f"));
        assert_eq!(kms_request_id(DISABLED), Some("6e9b2c1e-0000"));
        assert_eq!(key_arn(DENIED), None);
        assert_eq!(kms_request_id(DENIED), None);
    }
}
