//! Parameters of B: all that a spec may name in the hope that it is taken for one of them.

use serde_json::{Value, json};

use super::attack::{Attack, Expected};

const ARN_OF_B: &str = "arn:aws:ssm:eu-central-1:111122223333:parameter/b/vault";

const DENIED: Expected = Expected::Fails("PolicyDenied", &["Namespace a may not", "spec.access"]);
const NO_SUCH_NAME: Expected = Expected::Fails("InvalidSpec", &["no name that Parameter Store can have"]);
const NONE: &str = "{}";

/// Names of single parameters: the attack, the name, the options beside it, and what must happen.
const NAMES: &[(&str, &str, &str, Expected)] = &[
    ("by its name", "/b/vault", NONE, DENIED),
    ("without its slash", "b/vault", NONE, DENIED),
    ("deeper", "/b/deep/vault", NONE, DENIED),
    ("by its arn", "arn:aws:ssm:eu-central-1:111122223333:parameter/b/vault", NONE, DENIED),
    ("by its arn without a slash", "arn:aws:ssm:eu-central-1:111122223333:parameterb/vault", NONE, NO_SUCH_NAME),
    ("shared by another account", "arn:aws:ssm:eu-central-1:444455556666:parameter/shared/vault", NONE, DENIED),
    (
        "in another region",
        "arn:aws:ssm:us-east-1:111122223333:parameter/b/vault",
        NONE,
        Expected::Fails("InvalidSpec", &["region us-east-1"]),
    ),
    (
        "in another partition",
        "arn:aws-cn:ssm:eu-central-1:111122223333:parameter/b/vault",
        NONE,
        Expected::Fails("InvalidSpec", &["partition aws-cn"]),
    ),
    (
        "of another service",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:b/vault",
        NONE,
        Expected::Refused("a name holds"),
    ),
    ("with dots", "/a/../b/vault", NONE, Expected::Fails("ParameterNotFound", &["/a/../b/vault"])),
    ("with a doubled slash", "/a//b/vault", NONE, Expected::Refused("a name has no empty level")),
    ("with two slashes before it", "//b/vault", NONE, Expected::Refused("a name has no empty level")),
    ("with a slash behind it", "/b/vault/", NONE, Expected::Refused("does not end with /")),
    ("in capitals", "/B/VAULT", NONE, DENIED),
    ("with a version in the name", "/b/vault:1", NONE, Expected::Refused("a name holds no version")),
    ("with a label in the name", "/b/vault:prod", NONE, Expected::Refused("a name holds no label")),
    ("with a blank before it", " /b/vault", NONE, Expected::Refused("a name holds no blanks")),
    ("with a line break", "/b/vault\n", NONE, Expected::Refused("a name holds no blanks")),
    ("in percent code", "/a/%2e%2e/b/vault", NONE, Expected::Refused("a name holds")),
    ("with a wildcard", "/b/*", NONE, Expected::Refused("a name holds")),
    ("with the placeholder", "/{namespace}/../b/vault", NONE, Expected::Refused("a name holds")),
    ("of a namespace with a similar name", "/a-b/vault", NONE, DENIED),
    ("at the root", "vault", NONE, DENIED),
    ("an old version", "/b/vault", r#"{"version": 1}"#, DENIED),
    ("the previous version", "/b/vault", r#"{"previous": true}"#, DENIED),
    ("by a label", "/b/vault", r#"{"label": "prod"}"#, DENIED),
    ("without insisting", "/b/vault", r#"{"optional": true}"#, DENIED),
    ("a secret of Secrets Manager", "/aws/reference/secretsmanager/b/vault", NONE, DENIED),
    (
        "encrypted with the key of B",
        "/keyed/a/vault",
        NONE,
        Expected::Fails("PolicyDenied", &["only if one of the KMS keys"]),
    ),
    ("decrypted with the key of B", "/a/stolen", r#"{"kmsDecrypt": {"keyID": "alias/b"}}"#, DENIED),
    (
        "decrypted with the key of B by arn",
        "/a/stolen",
        r#"{"kmsDecrypt": {"keyID": "arn:aws:kms:eu-central-1:111122223333:alias/b"}}"#,
        DENIED,
    ),
    ("decrypted with any key", "/a/stolen", r#"{"kmsDecrypt": {}}"#, DENIED),
    (
        "decrypted with the key of A",
        "/a/stolen",
        r#"{"kmsDecrypt": {"keyID": "alias/a"}}"#,
        Expected::Fails("CiphertextInvalid", &["encrypted with another key"]),
    ),
    (
        "decrypted as Parameter Store would",
        "/a/stolen",
        r#"{"kmsDecrypt": {"keyID": "alias/a", "encryptionContext": {"PARAMETER_ARN": "arn:aws:ssm:::parameter/b/vault"}}}"#,
        Expected::Refused("PARAMETER_ARN"),
    ),
];

/// Paths: the attack, the path, and what must happen.
const PATHS: &[(&str, &str, Expected)] = &[
    ("all below B", "/b", DENIED),
    ("all below B with a slash", "/b/", DENIED),
    ("all below a level of B", "/b/deep", DENIED),
    ("all below B in capitals", "/B", DENIED),
    ("all of the account", "/", Expected::Refused("all parameters of an account cannot be read")),
    ("all below a similar name", "/a-b", DENIED),
    ("all above", "/a/..", Expected::Fails("PathEmpty", &["/a/.."])),
    ("all below a doubled slash", "//b", Expected::Refused("empty level")),
    ("all secrets of Secrets Manager", "/aws/reference/secretsmanager", DENIED),
    ("all that match", "/*", Expected::Refused("wildcards")),
];

/// Stores: the attack, the reference to the store, and what must happen.
const STORES: &[(&str, &str, Expected)] = &[
    ("by a store for B", r#"{"name": "for-b"}"#, DENIED),
    ("by a store for a label", r#"{"name": "for-label"}"#, DENIED),
];

/// All attacks on parameters through the stores of the cluster.
pub fn attacks() -> Vec<Attack> {
    let names = NAMES.iter().map(|&(attack, name, options, expected)| {
        let mut entry: Value = serde_json::from_str(options).expect("options");
        entry["key"] = json!("VALUE");
        entry["parameter"] = json!(name);
        Attack::object(attack, &json!({"data": [entry]}), expected)
    });
    let paths = PATHS.iter().map(|&(attack, path, expected)| {
        Attack::object(attack, &json!({"dataFrom": [{"path": path, "recursive": true}]}), expected)
    });
    let stores = STORES.iter().map(|&(attack, store, expected)| {
        let store: Value = serde_json::from_str(store).expect("a reference");
        let entry = json!({"key": "VALUE", "parameter": "/b/vault"});
        Attack::object(attack, &json!({"storeRef": store, "data": [entry]}), expected)
    });
    let beside_own = json!([
        {"key": "OWN", "parameter": "/a/password"},
        {"key": "SAME", "parameter": "/b/password"},
        {"key": "VALUE", "parameter": ARN_OF_B},
    ]);
    let fields = json!([{"parameter": "/b/vault", "format": "Dotenv", "optional": true}]);
    let others = [
        Attack::object("beside what is its own", &json!({"data": beside_own}), DENIED),
        Attack::object("all fields of a value", &json!({"dataFrom": fields}), DENIED),
    ];
    names.chain(paths).chain(stores).chain(others).collect()
}
