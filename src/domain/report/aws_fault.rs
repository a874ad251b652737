//! Errors of AWS calls, in words for the owner of an object.

use crate::domain::{
    Fault,
    aws_error::{AwsError, AwsErrorKind, Denial, SERVICE_ACCOUNT, WITH_WEB_IDENTITY},
    parameter::{
        key::{KeyState, key_arn},
        scope::Scope,
    },
    report::text::list,
};

impl AwsError {
    /// Turns the error into a fault. `principal` is the caller, `names` are the parameters of the call, and `key` is what
    /// KMS says about the key that the error names.
    pub(crate) fn fault(
        &self,
        principal: Option<&str>,
        names: &[String],
        scope: &Scope,
        key: Option<&KeyState>,
    ) -> Fault {
        let message = match self.kind {
            AwsErrorKind::AccessDenied => self.access_denied(principal, names, scope),
            AwsErrorKind::DecryptDenied => self.decrypt_denied(principal, names),
            AwsErrorKind::KeyUnavailable => self.key_unavailable(names, key),
            AwsErrorKind::CiphertextInvalid => self.ciphertext_invalid(names),
            AwsErrorKind::CredentialsInvalid => self.credentials_refused(),
            AwsErrorKind::EndpointUnreachable => format!(
                "No answer from AWS in region {} ({}); check DNS, VPC endpoints and proxies.",
                scope.region,
                self.stable_message()
            ),
            AwsErrorKind::Throttled => format!(
                "AWS throttles account {} in region {} ({}); the operator slows down and tries again. Lower spec.quota of \
                 the store if other clients need more of the account's quota.",
                scope.account,
                scope.region,
                self.text()
            ),
            AwsErrorKind::Invalid => self.invalid(names),
            AwsErrorKind::ServiceUnavailable => format!(
                "AWS failed to answer the request for {} ({}); the operator tries again.",
                list(names),
                self.text()
            ),
        };
        Fault::new(self.kind.reason(), message)
    }

    fn access_denied(&self, principal: Option<&str>, names: &[String], scope: &Scope) -> String {
        let denial = Denial::parse(&self.message);
        let action = denial.action.unwrap_or("ssm:GetParameters");
        let resource = denial.resource.map_or_else(|| list(&arns(names, scope)), str::to_owned);
        let remedy = denial.remedy(action, &resource, "in its IAM policy");
        format!("{} may not call {action}{remedy}.", denied_principal(&denial, principal))
    }

    fn decrypt_denied(&self, principal: Option<&str>, names: &[String]) -> String {
        let denial = Denial::parse(&self.message);
        let key = denial.resource.or_else(|| key_arn(&self.message));
        let key = key.map_or_else(|| format!("the key of {}", list(names)), str::to_owned);
        let remedy = denial.remedy("kms:Decrypt", &key, "in the IAM policy and in the key's policy");
        format!("{} may not call kms:Decrypt{remedy}.", denied_principal(&denial, principal))
    }

    fn ciphertext_invalid(&self, names: &[String]) -> String {
        let names = list(names);
        if self.code.as_deref() == Some("IncorrectKeyException") {
            return format!(
                "The value of {names} was encrypted with another key than kmsDecrypt.keyID names; correct keyID or remove it."
            );
        }
        format!(
            "KMS cannot decrypt the value of {names}: it is not a ciphertext of KMS, or it was encrypted with another \
             encryption context; correct kmsDecrypt.encryptionContext or the parameter."
        )
    }

    fn key_unavailable(&self, names: &[String], key: Option<&KeyState>) -> String {
        match key {
            Some(key @ KeyState { arn, state, deletion_date, .. }) => {
                let deletion = deletion_date.as_ref().map(|date| format!(" (deletion on {date})")).unwrap_or_default();
                format!("KMS key {arn} of {} is in state {state}{deletion}; {}.", list(names), key.remedy())
            }
            None => format!(
                "KMS cannot use the key of {} ({}); enable the key, or encrypt the parameters with another one.",
                list(names),
                self.stable_message().trim_end_matches('.')
            ),
        }
    }

    fn invalid(&self, names: &[String]) -> String {
        let remedy = if self.message.contains("transitive tag key") {
            "set no tag that the session of the caller hands on; EKS Pod Identity hands on kubernetes-namespace unless session \
             tags are disabled in its association"
        } else {
            "correct the spec"
        };
        format!("AWS rejected the request for {} as invalid ({}); {remedy}.", list(names), self.text())
    }

    fn credentials_refused(&self) -> String {
        if self.is_clock_skew() {
            return format!(
                "AWS rejected the operator's signature ({}) because their clocks differ by more than five minutes; correct \
                 the clock of the operator's node.",
                self.code.as_deref().unwrap_or_default()
            );
        }
        if self.code.as_deref() == Some("InvalidIdentityToken") {
            return format!(
                "STS does not accept the token of the store's ServiceAccount ({}); add the issuer of the cluster to IAM as an \
                 identity provider, with the audience of the token.",
                self.text()
            );
        }
        if self.code.is_none() && self.message.starts_with(SERVICE_ACCOUNT) {
            return format!("{}.", self.message);
        }
        if self.code.is_none() {
            return format!(
                "No AWS credentials are available to the store ({}); give the operator's ServiceAccount a role that trusts \
                 it, or set spec.identity of the store.",
                self.message
            );
        }
        format!(
            "AWS rejected the credentials of the store ({}); renew them, and the operator continues by itself.",
            self.text()
        )
    }
}

/// Returns the ARNs of parameters that are named as AWS is asked for them.
fn arns(names: &[String], scope: &Scope) -> Vec<String> {
    let arn = |name: &String| {
        // A selector follows the last colon; an ARN has five others.
        let colons = if name.starts_with("arn:") { 5 } else { 0 };
        let end = name.match_indices(':').nth(colons).map_or(name.len(), |(at, _)| at);
        if colons == 0 { scope.parameter_arn(&name[..end]) } else { name[..end].to_owned() }
    };
    names.iter().map(arn).collect()
}

fn denied_principal<'a>(denial: &Denial<'a>, caller: Option<&'a str>) -> &'a str {
    if denial.action == Some(WITH_WEB_IDENTITY) {
        return SERVICE_ACCOUNT;
    }
    denial.principal.or(caller).unwrap_or("the operator's identity")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::aws_error::tests::{DENIED, DISABLED};

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    #[test]
    fn messages_name_the_next_step() {
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
        let arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a";
        let expected = format!("may not call ssm:GetParameters; allow ssm:GetParameters on {arn} in its IAM policy.");
        assert!(denied.message.ends_with(&expected), "{}", denied.message);
        for name in ["/shop/a", "/shop/a:3", arn, &format!("{arn}:label")] {
            let unsaid = error(AwsErrorKind::AccessDenied, "AccessDeniedException", "no");
            let said = unsaid.fault(None, &[name.to_owned()], &scope(), None).message;
            assert!(said.ends_with(&expected), "{said}");
        }
        let by_kms = error(AwsErrorKind::DecryptDenied, "AccessDeniedException", "The ciphertext refers to a key");
        let said = by_kms.fault(None, &names, &scope(), None).message;
        let expected = "; allow kms:Decrypt on the key of /shop/a in the IAM policy and in the key's policy.";
        assert!(said.ends_with(expected), "{said}");
        let elsewhere = DENIED.replace("no identity-based policy", "no VPC endpoint policy");
        let denied = error(AwsErrorKind::AccessDenied, "AccessDeniedException", &elsewhere);
        let said = denied.fault(None, &names, &scope(), None).message;
        let expected = " because no VPC endpoint policy allows the ssm:GetParameters action; allow it there.";
        assert!(said.ends_with(expected), "{said}");
        let (begin, _) = DENIED.split_once(" because ").expect("a reason");
        let by_deny = format!("{begin} with an explicit deny in a service control policy");
        let denied = error(AwsErrorKind::AccessDenied, "AccessDeniedException", &by_deny);
        let said = denied.fault(None, &names, &scope(), None).message;
        let expected = "parameter/shop/a, with an explicit deny in a service control policy; remove the deny there.";
        assert!(said.ends_with(expected), "{said}");
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
    fn a_refused_role_names_the_policies_that_could_allow_it() {
        let role = "arn:aws:iam::111122223333:role/reader";
        let refused = |code: &str, message: &str| {
            let kind = AwsErrorKind::classify(code, message, Some(403));
            let error = AwsError { kind, code: Some(code.into()), message: message.into(), request_id: None };
            error.fault(Some("caller"), &[], &scope(), None).message
        };
        let by_role = format!("User: arn:x is not authorized to perform: sts:AssumeRole on resource: {role}");
        assert_eq!(
            refused("AccessDenied", &by_role),
            format!(
                "arn:x may not call sts:AssumeRole; allow sts:AssumeRole on {role} in its IAM policy and in the trust policy of \
                 the role."
            )
        );
        let by_token = format!("Not authorized to perform: {WITH_WEB_IDENTITY} on resource: {role}");
        let said = refused("AccessDenied", &by_token);
        assert!(said.starts_with(SERVICE_ACCOUNT) && said.contains("trust policy of the role, for this"), "{said}");
        let said = refused("InvalidIdentityToken", "Incorrect token audience");
        assert!(said.contains("identity provider, with the audience"), "{said}");
        let said = refused("InvalidParameterValue", "One of the specified transitive tag keys can't be set because");
        assert!(said.contains("Pod Identity"), "{said}");
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
