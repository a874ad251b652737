//! The policies of one identity, each with a title.

use serde::Serialize;

use crate::domain::{
    iam::{
        needs::Needs,
        policy::Document,
        session_policy::SessionPolicy,
        store::Store,
        trust::{STS_AUDIENCE, TokenSubject, chain, of_pod_identity, of_service_account},
    },
    identity::store_identity::CredentialSource,
    parameter::scope::Scope,
};

/// What is written where the issuer of tokens is not known.
const ISSUER: &str = "ISSUER";
/// Namespace and name of the operator's ServiceAccount, as the chart makes them by default.
const OPERATOR: (&str, &str) = ("secure-parameter-operator", "secure-parameter-operator");

/// A policy and what it is.
#[derive(Clone, Debug)]
pub(crate) struct Titled {
    /// Its name in JSON.
    pub key: String,
    /// What it is, and where it belongs.
    pub title: String,
    /// The policy, on several lines.
    pub json: String,
}

impl Titled {
    fn new(key: &str, title: impl Into<String>, document: &impl Serialize) -> Self {
        // Texts alone, which always become JSON.
        let json = serde_json::to_string_pretty(document).unwrap_or_default();
        Self { key: key.to_owned(), title: title.into(), json }
    }

    /// The policy that the operator gives to the sessions of a namespace.
    pub(crate) fn session_policy(namespace: &str, policy: &SessionPolicy) -> Self {
        Self {
            key: format!("sessionPolicy:{namespace}"),
            title: format!(
                "Session policy that the operator itself gives to the sessions of namespace {namespace}; nothing to do"
            ),
            json: policy.json.clone(),
        }
    }
}

/// Returns the policies for what objects of one store need. `namespace` is the one that reads, if each has a role of its own.
pub(crate) fn documents(
    needs: &Needs,
    store: &Store,
    namespace: Option<&str>,
    scope: &Scope,
    issuer: Option<&str>,
    compact: bool,
) -> Vec<Titled> {
    let first = store.first_principal(scope);
    let links = chain(&store.identity.roles, &first, namespace);
    let reader = links.last().map_or_else(|| first.clone(), |link| link.role_arn.clone());
    let policy = needs.policy(scope, store.decryption, compact);
    let optional = needs.optional(scope);
    let mut documents = vec![
        Titled::new("policy", format!("Policy of {reader}"), &policy),
        Titled::new(
            "optionalPolicy",
            format!("Optional policy of {reader}, each statement for what its name says"),
            &optional,
        ),
    ];
    for statement in needs.key_policies(&reader, scope, store.decryption) {
        let sid = statement.sid.as_deref().unwrap_or_default();
        let title =
            format!("Statement {sid} for the policies of those customer managed keys that do not leave this to IAM");
        documents.push(Titled::new(&format!("keyPolicyStatement:{sid}"), title, &statement));
    }
    for (index, link) in links.iter().enumerate() {
        let caller = if index == 0 { &first } else { &links[index - 1].role_arn };
        let number = index + 1;
        let title = format!("Policy of {caller}, for {}", link.role_arn);
        documents.push(Titled::new(&format!("assumeRolePolicy{number}"), title, &link.caller_policy));
        let title = format!("Trust policy of {}", link.role_arn);
        documents.push(Titled::new(&format!("roleTrustPolicy{number}"), title, &link.trust_policy));
    }
    documents.extend(trust_policies(store, &first, scope, issuer.unwrap_or(ISSUER)));
    documents
}

/// Returns the trust policies with which pods get the first credentials.
fn trust_policies(store: &Store, first: &str, scope: &Scope, issuer: &str) -> Vec<Titled> {
    let account = first.split(':').nth(4).unwrap_or("ACCOUNT");
    let of_tokens = |namespace: &str, name: &str, audience: &str| -> Document {
        of_service_account(TokenSubject { partition: &scope.partition, account, issuer, namespace, name, audience })
    };
    let irsa = |document: &Document| {
        let title = format!("Trust policy of {first}, for IAM roles for service accounts (IRSA)");
        Titled::new("trustPolicyIRSA", title, document)
    };
    match &store.identity.source {
        CredentialSource::Operator => {
            let title = format!("Trust policy of {first}, for EKS Pod Identity instead");
            vec![
                irsa(&of_tokens(OPERATOR.0, OPERATOR.1, STS_AUDIENCE)),
                Titled::new("trustPolicyPodIdentity", title, &of_pod_identity()),
            ]
        }
        CredentialSource::ServiceAccount { namespace, name, audiences } => {
            let audience = audiences.first().map_or(STS_AUDIENCE, String::as_str);
            vec![irsa(&of_tokens(namespace, name, audience))]
        }
        CredentialSource::Secret { .. } => Vec::new(),
    }
}
