//! Bad identities of stores.

use serde_json::{Value, json};

use super::{Bad, Kind};

fn at<const N: usize>(field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    super::at(Kind::ClusterParameterStore, field, bad)
}

/// What is bad in stores of both kinds.
pub fn of_both(kind: Kind) -> Vec<Bad> {
    roles(kind).into_iter().chain(sources(kind)).collect()
}

/// What is bad in stores of one kind alone.
pub fn of_one_kind() -> Vec<Bad> {
    [identity(), own_identity(), of_cluster_stores()].into_iter().flatten().collect()
}

fn identity() -> Vec<Bad> {
    at(
        "spec.identity.credentialsSecretRef.namespace",
        [
            ("nothing", json!(""), "spec.identity.credentialsSecretRef.namespace"),
            ("a path", json!("shop/secrets"), "lower-case letters"),
        ],
    )
}

fn own_identity() -> Vec<Bad> {
    let own = "a ParameterStore never uses the operator's identity; set serviceAccountRef or credentialsSecretRef";
    let role = json!({"roleARN": "arn:aws:iam::111122223333:role/reader"});
    let of_store = |field, bad| super::at(Kind::ParameterStore, field, bad);
    let specs = [
        of_store("spec.identity", [("nothing in it", json!({}), own)]),
        of_store("spec.identity", [("a role alone", json!({"assumeRoles": [role]}), own)]),
        of_store(
            "spec.identity",
            [(
                "a session policy",
                json!({"credentialsSecretRef": {"name": "aws"}, "sessionPolicy": "FromAccess"}),
                "unknown field \"spec.identity.sessionPolicy\"",
            )],
        ),
        of_store(
            "spec.identity.credentialsSecretRef",
            [(
                "a Secret of another namespace",
                json!({"name": "aws", "namespace": "other"}),
                "unknown field \"spec.identity.credentialsSecretRef.namespace\"",
            )],
        ),
        of_store(
            "spec.identity",
            [(
                "a ServiceAccount of another namespace",
                json!({"serviceAccountRef": {"name": "aws", "namespace": "other"}}),
                "unknown field \"spec.identity.serviceAccountRef.namespace\"",
            )],
        ),
    ];
    specs.into_iter().flatten().collect()
}

/// Roles, and how they go together with the rest.
fn roles(kind: Kind) -> Vec<Bad> {
    const ARN: &str = "arn:aws:iam::111122223333:role/reader";
    let account = match kind {
        Kind::ClusterParameterStore => json!({"name": "reader", "namespace": "infra"}),
        _ => json!({"name": "reader"}),
    };
    let role = json!({"roleARN": ARN});
    let long = json!({"roleARN": ARN, "duration": "2h"});
    let chained = "AWS limits sessions of a role that another session assumes to 1h";
    let tags = "their keys do not begin with aws: or kubernetes-";
    let placeholder = "braces only hold the word namespace, once";
    let duration = "duration must be between 15m and 12h";
    let specs = [
        super::at(
            kind,
            "spec.identity",
            [
                (
                    "two sources",
                    json!({"serviceAccountRef": account, "credentialsSecretRef": account}),
                    "serviceAccountRef and credentialsSecretRef exclude each other",
                ),
                ("a long chain", json!({"assumeRoles": [role, long]}), chained),
                ("a long chain of one", json!({"serviceAccountRef": account, "assumeRoles": [long]}), chained),
                ("no role", json!({"assumeRoles": [{}]}), "roleARN: Required"),
            ],
        ),
        super::at(kind, "spec.identity.assumeRoles", [("too many", vec![role; 4].into(), "spec.identity.assumeRoles")]),
        super::at(
            kind,
            "spec.identity.assumeRoles[].roleARN",
            [
                ("a user", json!("arn:aws:iam::111122223333:user/reader"), "the ARN of a role is written"),
                ("a name", json!("parameters-of-the-shop"), "the ARN of a role is written"),
                ("other braces", json!(format!("{ARN}-{{name}}")), placeholder),
                ("two placeholders", json!(format!("{ARN}-{{namespace}}-{{namespace}}")), placeholder),
            ],
        ),
        super::at(
            kind,
            "spec.identity.assumeRoles[].externalID",
            [("a blank", json!("a b"), "an external id holds letters")],
        ),
        super::at(kind, "spec.identity.assumeRoles[].sessionTags", [("tags", json!({"a": "b"}), "sessionTags")]),
        super::at(
            kind,
            "spec.identity.assumeRoles[].sourceIdentity",
            [("a slash", json!("a/b"), "a source identity holds letters")],
        ),
        super::at(
            kind,
            "spec.identity.assumeRoles[].duration",
            [
                ("a moment", json!("5m"), duration),
                ("a day", json!("24h"), duration),
                ("no duration", json!("long"), duration),
            ],
        ),
        super::at(
            kind,
            "spec.identity.assumeRoles[].tags",
            [
                ("a tag of AWS", json!({"aws:x": "y"}), tags),
                ("a tag of the operator", json!({"Kubernetes-Namespace": "other"}), tags),
                ("a strange tag", json!({"a": "b\n"}), tags),
            ],
        ),
        super::at(
            kind,
            "spec.identity.assumeRoles[].transitiveTagKeys",
            [("a tag that is not set", json!(["team"]), "transitiveTagKeys names tags of this session")],
        ),
    ];
    specs.into_iter().flatten().collect()
}

/// ServiceAccounts and the keys of Secrets.
fn sources(kind: Kind) -> Vec<Bad> {
    let secret_key = "a Secret's key holds letters";
    let specs = [
        super::at(
            kind,
            "spec.identity.serviceAccountRef",
            [("a name", json!("reader"), "spec.identity.serviceAccountRef")],
        ),
        super::at(
            kind,
            "spec.identity.serviceAccountRef.name",
            [("another folder", json!("../a"), "lower-case letters")],
        ),
        super::at(
            kind,
            "spec.identity.serviceAccountRef.audiences",
            [("a blank", json!(["a b"]), "an audience holds visible")],
        ),
        super::at(
            kind,
            "spec.identity.credentialsSecretRef.keys",
            [("a list", json!(["a"]), "spec.identity.credentialsSecretRef.keys")],
        ),
        super::at(kind, "spec.identity.credentialsSecretRef.keys.accessKeyID", [("a path", json!("a/b"), secret_key)]),
        super::at(
            kind,
            "spec.identity.credentialsSecretRef.keys.secretAccessKey",
            [("a path", json!("a/b"), secret_key)],
        ),
        super::at(kind, "spec.identity.credentialsSecretRef.keys.sessionToken", [("a path", json!("a/b"), secret_key)]),
    ];
    specs.into_iter().flatten().collect()
}

fn of_cluster_stores() -> Vec<Bad> {
    let specs = [
        at(
            "spec.identity.sessionPolicy",
            [
                ("no session", json!("FromAccess"), "set serviceAccountRef or assumeRoles"),
                ("another policy", json!("All"), "supported values: \"None\", \"FromAccess\""),
            ],
        ),
        at("spec.identity.serviceAccountRef.namespace", [("a path", json!("a/b"), "lower-case letters")]),
    ];
    specs.into_iter().flatten().collect()
}
