//! Who may use a role: trust policies, and the permission to assume roles.

use crate::{
    api::{AssumeRole, NAMESPACE_PLACEHOLDER},
    domain::iam::policy::{Document, Statement},
};

/// The audience of tokens for STS (EKS User Guide, "IAM roles for service accounts").
pub(crate) const STS_AUDIENCE: &str = "sts.amazonaws.com";

/// A ServiceAccount and the issuer of its tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenSubject<'a> {
    /// Partition of the role.
    pub partition: &'a str,
    /// Account of the role.
    pub account: &'a str,
    /// Issuer of the cluster's tokens, without `https://`.
    pub issuer: &'a str,
    /// Namespace of the ServiceAccount.
    pub namespace: &'a str,
    /// Name of the ServiceAccount.
    pub name: &'a str,
    /// The audience of its tokens.
    pub audience: &'a str,
}

/// Returns the trust policy of a role that tokens of a ServiceAccount may assume (EKS User Guide, "Assign IAM roles to
/// Kubernetes service accounts").
pub(crate) fn of_service_account(subject: TokenSubject<'_>) -> Document {
    let TokenSubject { partition, account, issuer, namespace, name, audience } = subject;
    let provider = format!("arn:{partition}:iam::{account}:oidc-provider/{issuer}");
    let statement = Statement::allow(["sts:AssumeRoleWithWebIdentity"], [""; 0])
        .about("Federated", [provider])
        .when("StringEquals", &format!("{issuer}:aud"), [audience])
        .when("StringEquals", &format!("{issuer}:sub"), [format!("system:serviceaccount:{namespace}:{name}")]);
    Document::new(vec![statement])
}

/// Returns the trust policy of a role for EKS Pod Identity (EKS User Guide, "Create an EKS Pod Identity association").
pub(crate) fn of_pod_identity() -> Document {
    let statement = Statement::allow(["sts:AssumeRole", "sts:TagSession"], [""; 0]);
    Document::new(vec![statement.about("Service", ["pods.eks.amazonaws.com"])])
}

/// One role of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// ARN of the role.
    pub role_arn: String,
    /// The policy that allows the one before to assume it.
    pub caller_policy: Document,
    /// The trust policy of the role.
    pub trust_policy: Document,
}

/// Returns what a chain of roles needs. `first` is the ARN of who assumes the first of them, and `namespace` the one that
/// reads, if each has a role of its own.
pub(crate) fn chain(roles: &[AssumeRole], first: &str, namespace: Option<&str>) -> Vec<Link> {
    let (mut caller, mut has_tags, mut has_identity) = (first.to_owned(), false, false);
    let link = |role: &AssumeRole| {
        let role_arn = namespace
            .map_or_else(|| role.role_arn.clone(), |namespace| role.role_arn.replace(NAMESPACE_PLACEHOLDER, namespace));
        // Tags that a session hands on, and its source identity, come with every later session (IAM User Guide, "Pass session
        // tags in AWS STS" and "Monitor and control actions taken with assumed roles").
        let tags = has_tags || role.session_tags.unwrap_or_default() || !role.tags.is_empty();
        has_tags |= !role.transitive_tag_keys.is_empty();
        has_identity |= role.source_identity.is_some();
        let mut actions = vec!["sts:AssumeRole"];
        actions.extend(tags.then_some("sts:TagSession"));
        actions.extend(has_identity.then_some("sts:SetSourceIdentity"));
        let allow = Statement::allow(&actions, [&role_arn]).named("AssumeRole");
        let trust =
            Statement::allow(&actions, [""; 0]).about("AWS", [std::mem::replace(&mut caller, role_arn.clone())]);
        let trust = match &role.external_id {
            Some(id) => trust.when("StringEquals", "sts:ExternalId", [id]),
            None => trust,
        };
        Link { role_arn, caller_policy: Document::new(vec![allow]), trust_policy: Document::new(vec![trust]) }
    };
    roles.iter().map(link).collect()
}

/// Returns the ARN of the role of a session, which trust and key policies name; other ARNs as they are. The path of the role
/// is not known (IAM User Guide, "IAM identifiers").
pub(crate) fn role_of_session(arn: &str) -> String {
    let session = arn.split_once(":sts::").and_then(|(begin, rest)| {
        let (account, session) = rest.split_once(":assumed-role/")?;
        let (role, _) = session.split_once('/')?;
        Some(format!("{begin}:iam::{account}:role/{role}"))
    });
    session.unwrap_or_else(|| arn.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trusted_for_its_subject_and_audience() {
        let subject = TokenSubject {
            partition: "aws",
            account: "111122223333",
            issuer: "oidc.example/id/1",
            namespace: "shop",
            name: "reader",
            audience: STS_AUDIENCE,
        };
        let expected = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.example/id/1"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"oidc.example/id/1:aud":"sts.amazonaws.com","oidc.example/id/1:sub":"system:serviceaccount:shop:reader"}}}]}"#;
        assert_eq!(of_service_account(subject).compact(), expected);
        assert!(of_pod_identity().compact().contains(r#""Service":"pods.eks.amazonaws.com""#));
    }

    #[test]
    fn each_role_trusts_the_one_before_for_what_its_session_carries() {
        let role = |name: &str| AssumeRole { role_arn: format!("arn:aws:iam::1:role/{name}"), ..AssumeRole::default() };
        let roles = [
            AssumeRole { source_identity: Some("spo".into()), ..role("hub") },
            AssumeRole {
                external_id: Some("x-1".into()),
                tags: [("team".into(), "a".into())].into(),
                transitive_tag_keys: vec!["team".into()],
                ..role("{namespace}")
            },
            role("last"),
        ];
        let links = chain(&roles, "arn:aws:iam::1:role/operator", Some("shop"));
        let trust: Vec<_> = links.iter().map(|link| &link.trust_policy.statement[0]).collect();
        assert_eq!(trust[0].action.0, ["sts:AssumeRole", "sts:SetSourceIdentity"]);
        assert_eq!(trust[1].action.0, ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]);
        assert_eq!(trust[2].action.0, trust[1].action.0, "tags and identity go on");
        assert_eq!(trust[0].principal["AWS"].0, ["arn:aws:iam::1:role/operator"]);
        assert_eq!(trust[2].principal["AWS"].0, ["arn:aws:iam::1:role/shop"]);
        assert_eq!(trust[1].condition["StringEquals"]["sts:ExternalId"].0, ["x-1"]);
        assert_eq!(links[1].caller_policy.statement[0].resource.0, ["arn:aws:iam::1:role/shop"]);
    }

    #[test]
    fn policies_name_roles_rather_than_sessions() {
        assert_eq!(role_of_session("arn:aws:sts::1:assumed-role/spo/session"), "arn:aws:iam::1:role/spo");
        assert_eq!(role_of_session("arn:aws:iam::1:user/spo"), "arn:aws:iam::1:user/spo");
    }
}
