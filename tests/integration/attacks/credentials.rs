//! Identities: stores of A that want to read as B or as the operator.

use serde_json::{Value, json};

use super::{
    api::{A, manifest, secret_of},
    attack::{Attack, Expected},
    fixtures::role,
    world::Tenants,
};
use crate::support::chart::FULLNAME;

/// Audience of the API server itself.
const API_SERVER: &str = "https://kubernetes.default.svc.cluster.local";

const NO_IDENTITY: Expected = Expected::Refused("never uses the operator's identity");
const NO_TAG: Expected = Expected::Refused("their keys do not begin with aws: or kubernetes-");
const NO_ROLE: Expected = Expected::Fails("CredentialsInvalid", &["is no ARN of a role"]);
const NO_TOKEN: Expected = Expected::Fails("CredentialsInvalid", &["may create tokens for"]);
const NO_NAME: Expected = Expected::Refused("a name holds lower-case letters");

/// A ServiceAccount of A with annotations of EKS.
fn account(name: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: Value =
        annotations.iter().map(|(key, value)| (format!("eks.amazonaws.com/{key}"), json!(value))).collect();
    let metadata = json!({"name": name, "namespace": A, "annotations": annotations});
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
}

fn of_account(name: &str) -> Value {
    json!({"identity": {"serviceAccountRef": {"name": name}}})
}

fn of_secret(name: &str) -> Value {
    json!({"identity": {"credentialsSecretRef": {"name": name}}})
}

/// A store that assumes a role with A's own keys. `more` adds fields to the role.
fn assuming(name: &str, more: &Value) -> Value {
    let mut role = json!({"roleARN": role(name)});
    for (field, value) in more.as_object().into_iter().flatten() {
        role[field] = value.clone();
    }
    json!({"identity": {"credentialsSecretRef": {"name": "keys"}, "assumeRoles": [role]}})
}

/// All attacks by stores.
pub fn attacks(world: &Tenants) -> Vec<Attack> {
    [without_credentials(), by_accounts(), by_keys(world), by_roles(), through_stores()].concat()
}

fn without_credentials() -> Vec<Attack> {
    let roles = json!([{"roleARN": role("reader-of-b")}]);
    vec![
        Attack::store("no identity", &json!({"identity": {}}), NO_IDENTITY),
        Attack::store("no identity but roles", &json!({"identity": {"assumeRoles": roles}}), NO_IDENTITY),
        Attack::store("no identity at all", &json!({}), Expected::Refused("identity")),
        Attack::store("an account without a name", &of_account(""), Expected::Refused("serviceAccountRef")),
        Attack::store(
            "a region that is a host",
            &json!({"region": "eu-central-1.a.example/x", "identity": {"credentialsSecretRef": {"name": "keys"}}}),
            Expected::Refused("a region is written like"),
        ),
    ]
}

fn by_accounts() -> Vec<Attack> {
    let refused = Expected::Fails("AccessDenied", &["sts:AssumeRoleWithWebIdentity", "trust policy"]);
    let unlisted = Expected::Fails("StoreNotReady", &["may get", "serviceAccountTokens"]);
    let store = |name, account: Value, expected| {
        Attack::store(name, &of_account(account["metadata"]["name"].as_str().unwrap_or_default()), expected)
            .after([account])
    };
    let (operator, of_b) = (role("operator"), role("reader-of-b"));
    let audience = json!({"identity": {"serviceAccountRef": {"name": "of-api-server", "audiences": [API_SERVER]}}});
    vec![
        store("an account with the name of the operator", account(FULLNAME, &[("role-arn", &operator)]), unlisted),
        store("an account that is not listed", account("unlisted", &[("role-arn", &of_b)]), unlisted),
        store("an account with the role of B", account("of-role-b", &[("role-arn", &of_b)]), refused),
        store("an account with the role of the operator", account("of-operator", &[("role-arn", &operator)]), refused),
        store("an account with no role", account("of-nobody", &[("role-arn", &role("{namespace}"))]), NO_ROLE),
        store(
            "an account with the audience of the API server",
            account("of-audience", &[("role-arn", &of_b), ("audience", API_SERVER)]),
            NO_TOKEN,
        ),
        Attack::store("a token for the API server", &audience, NO_TOKEN)
            .after([account("of-api-server", &[("role-arn", &of_b)])]),
        Attack::store("an account of another namespace", &of_account("operator-system/default"), NO_NAME),
        Attack::store("an account by a path", &of_account("../../b/serviceaccounts/reader"), NO_NAME),
    ]
}

fn by_keys(world: &Tenants) -> Vec<Attack> {
    let elsewhere = json!({"identity": {"credentialsSecretRef": {"name": "keys-of-b", "namespace": "b"}}});
    let guessed = secret_of("guessed", &world.keys_of_b.access_key_id, &"x".repeat(40));
    let injected = format!("{}\r\nX-Amz-Security-Token: x", world.keys.access_key_id);
    let other_keys = json!({"identity": {"credentialsSecretRef": {
        "name": "spread", "keys": {"accessKeyID": "id", "secretAccessKey": "../keys-of-b/secret-access-key"},
    }}});
    vec![
        Attack::store("the Secret of B", &elsewhere, Expected::Fails("StoreNotReady", &["a/keys-of-b", "not exist"])),
        Attack::store("the Secret of B by a path", &of_secret("../b/keys-of-b"), NO_NAME),
        Attack::store("keys of another Secret", &other_keys, Expected::Refused("a Secret's key holds")),
        Attack::store(
            "the key of B without its secret",
            &of_secret("guessed"),
            Expected::Fails("CredentialsInvalid", &[]),
        )
        .after([guessed]),
        Attack::store(
            "a key with a header in it",
            &of_secret("injected"),
            Expected::Fails("CredentialsInvalid", &["without line breaks"]),
        )
        .after([secret_of("injected", &injected, "x")]),
    ]
}

fn by_roles() -> Vec<Attack> {
    let refused = Expected::Fails("AccessDenied", &["sts:AssumeRole", "trust policy"]);
    let more = json!({"externalID": "guess", "sessionTags": true, "sourceIdentity": "system:b".replace(':', "-")});
    let chain = json!([{"roleARN": role("by-tag")}, {"roleARN": role("operator")}]);
    let chained = json!({"identity": {"credentialsSecretRef": {"name": "keys"}, "assumeRoles": chain}});
    let tagged = |key: &str| assuming("by-tag", &json!({"tags": {key: "b"}}));
    vec![
        Attack::store("the role of B", &assuming("reader-of-b", &json!({})), refused),
        Attack::store("the role of B with all extras", &assuming("reader-of-b", &more), refused),
        Attack::store("the role of the operator", &assuming("operator", &json!({})), refused),
        Attack::store("the role of the operator at the end of a chain", &chained, refused),
        Attack::store("the tag of B", &tagged("kubernetes-namespace"), NO_TAG),
        Attack::store("the tag of B in capitals", &tagged("Kubernetes-Namespace"), NO_TAG),
        Attack::store("a tag of AWS", &tagged("AWS:PrincipalTag"), NO_TAG),
        Attack::store(
            "the tag of B handed on",
            &assuming("by-tag", &json!({"transitiveTagKeys": ["kubernetes-namespace"]})),
            Expected::Refused("transitiveTagKeys names tags of this session"),
        ),
    ]
}

/// Stores of A's own that open, and then cannot read what belongs to B.
fn through_stores() -> Vec<Attack> {
    let reads = |store: &str| {
        json!({
            "storeRef": {"kind": "ParameterStore", "name": store},
            "data": [{"key": "VALUE", "parameter": "/b/vault"}],
        })
    };
    let denied = Expected::Fails("AccessDenied", &["ssm:GetParameters", "/b/vault"]);
    let store = |name: &str, spec: &Value| manifest("ParameterStore", name, spec);
    let with_endpoint = json!({
        "identity": {"credentialsSecretRef": {"name": "keys"}, "sessionPolicy": "None"},
        "endpoints": {"ssm": "http://169.254.170.23"},
        "prefix": "/b",
    });
    let below_prefix = json!({
        "storeRef": {"kind": "ParameterStore", "name": "with-endpoint"},
        "data": [{"key": "VALUE", "parameter": "/vault"}],
    });
    let path = json!({
        "storeRef": {"kind": "ParameterStore", "name": "own"}, "dataFrom": [{"path": "/b", "recursive": true}],
    });
    vec![
        Attack::object("by a store with the same name as that of B", &reads("own"), denied),
        Attack::object(
            "a path by a store of its own",
            &path,
            Expected::Fails("AccessDenied", &["ssm:GetParametersByPath"]),
        ),
        Attack::object("by a role for all that goes by tags", &reads("tagged"), denied)
            .after([store("tagged", &assuming("by-tag", &json!({"sessionTags": true})))]),
        Attack::object("by a role for all without tags", &reads("untagged"), denied)
            .after([store("untagged", &assuming("by-tag", &json!({})))]),
        Attack::object("by a store with an endpoint and a prefix", &below_prefix, denied)
            .after([store("with-endpoint", &with_endpoint)]),
        Attack::object("by a store of B", &reads("of-b"), Expected::Fails("StoreNotFound", &["does not exist"])),
        Attack::object("by a store of B by a path", &reads("b/own"), NO_NAME),
    ]
}
