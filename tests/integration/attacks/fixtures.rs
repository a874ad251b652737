//! What exists before the first attack: parameters, users and roles of AWS, stores, and the rights of A.

use serde_json::{Value, json};
use testbed::fake_aws::{
    DEFAULT_ACCOUNT, FakeAws, Identity, ParameterType, PutOptions, Role, Statement, Tier, TokenVerifier,
};

use super::api::{A, B};
use crate::support::{store, tenant::TENANT};

/// Part of each value that A must not see.
pub const CANARY: &str = "c4n4ry";
/// ServiceAccounts of A that the platform team listed, so that the operator may create their tokens.
const LISTED: &[&str] = &["of-role-b", "of-operator", "of-nobody", "of-api-server", "of-audience"];
/// Roles that no session of A's may have.
pub const FOREIGN_ROLES: &[&str] = &["reader-of-b", "operator"];

/// Writes the parameters, keys and secrets.
pub fn add_parameters(aws: &FakeAws) {
    let value = format!("PASSWORD={CANARY}-parameter");
    for name in ["/b/deep/vault", "/B/VAULT", "/a-b/vault", "/b/vault", "/vault"] {
        aws.put(name, &value);
    }
    aws.put("/b/vault", &format!("{value}-newer"));
    aws.label("/b/vault", 1, "prod");
    let in_region = PutOptions { region: Some("us-east-1".to_owned()), ..PutOptions::default() };
    aws.put_with("/b/vault", &value, in_region);
    let of_others = PutOptions {
        account: Some(TENANT.to_owned()),
        kind: ParameterType::String,
        tier: Some(Tier::Advanced),
        ..PutOptions::default()
    };
    aws.put_with("/shared/vault", &value, of_others);
    aws.share(&format!("arn:aws:ssm:eu-central-1:{TENANT}:parameter/shared/vault"), DEFAULT_ACCOUNT);
    aws.put_secret("b/vault", &value);
    aws.create_key("a");
    let key = Some(aws.create_key("b"));
    aws.put_with("/keyed/a/vault", &value, PutOptions { key, ..PutOptions::default() });
    aws.put("/a/stolen", &aws.encrypt("alias/b", &[], value.as_bytes()));
}

/// Adds the users and roles of AWS. Returns the users of A and of B.
pub fn add_identities(aws: &FakeAws, verifier: TokenVerifier) -> (Identity, Identity) {
    aws.verify_tokens(verifier);
    let may = |name: &str| {
        let own = format!("arn:aws:ssm:*:*:parameter/{name}/*");
        vec![Statement::allow(&["ssm:*"], &[own.as_str()]), Statement::allow(&["kms:*", "sts:*"], &["*"])]
    };
    let [a, b] = [A, B].map(|name| Identity::user(DEFAULT_ACCOUNT, name).with_policy(may(name)));
    aws.add_identity(a.clone());
    aws.add_identity(b.clone());
    let trusting = |name: &str, user: &str, accounts: &str| Role {
        trusted: vec![user.to_owned()],
        trusted_subjects: vec![format!("system:serviceaccount:{accounts}:*")],
        ..Role::new(DEFAULT_ACCOUNT, name)
    };
    aws.add_role(trusting("reader-of-b", &b.arn, "b"));
    aws.add_role(trusting("operator", "nobody", "operator-system"));
    let of_tag = "arn:aws:ssm:*:*:parameter/${aws:PrincipalTag/kubernetes-namespace}/*";
    let by_tag = vec![Statement::allow(&["ssm:*"], &[of_tag]), Statement::allow(&["kms:*"], &["*"])];
    aws.add_role(Role::new(DEFAULT_ACCOUNT, "by-tag").with_policy(by_tag));
    aws.add_role(Role::new(DEFAULT_ACCOUNT, "limited"));
    (a, b)
}

/// ARN of a role.
pub fn role(name: &str) -> String {
    format!("arn:aws:iam::{DEFAULT_ACCOUNT}:role/{name}")
}

/// The value of the chart that lists ServiceAccounts of A.
pub fn service_account_tokens() -> String {
    let accounts: Vec<_> = LISTED.iter().map(|name| json!({"namespace": A, "name": name})).collect();
    format!("--set-json=serviceAccountTokens={}", json!(accounts))
}

/// The cluster stores. `spec` adds fields. One rule asks for keys, if `with_keys` says so.
pub fn stores(spec: &Value, with_keys: bool) -> Vec<Value> {
    let rule = |namespaces: Value, glob: &str| json!({"name": "rule", "namespaces": namespaces, "parameters": [glob]});
    let all = json!({"from": "All"});
    let mut own = rule(all.clone(), "/{namespace}/**");
    own["kmsDecryptKeys"] = json!(["alias/{namespace}"]);
    let mut keyed = rule(all, "/keyed/{namespace}/**");
    keyed["name"] = json!("keyed");
    keyed["kmsKeys"] = json!(["alias/{namespace}"]);
    let for_b = rule(json!({"from": "Names", "names": [B]}), "/b/**");
    let for_label = rule(json!({"from": "Selector", "selector": {"matchLabels": {"team": B}}}), "/b/**");
    let with = |name: &str, rules: &[&Value]| {
        let mut spec = spec.clone();
        spec["access"] = json!(rules);
        store(name, &spec)
    };
    let of_default = if with_keys { &[&own, &keyed][..] } else { &[&own] };
    vec![with("default", of_default), with("for-b", &[&for_b]), with("for-label", &[&for_label])]
}

/// The attacker, who may do what the role `edit` allows in namespace A.
pub fn bound_to_edit() -> [Value; 2] {
    let metadata = json!({"name": "tenant", "namespace": A});
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": A}],
    });
    [account, binding]
}
