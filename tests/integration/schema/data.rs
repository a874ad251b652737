//! Bad SecureParameters: the spec itself, the store, and single keys.

use serde_json::{Value, json};

use super::{Bad, Kind, entries};

const EXCLUDE: &str = "version, label and previous exclude each other";
const NO_VERSIONS: &str = "a secret of Secrets Manager has no version numbers";
const NO_INTERVAL: &str = "refreshInterval must be 0s (no polling) or between 10s and 168h";
const OF_AWS: &str = "bind what AWS itself encrypts";
const REFERENCE: &str = "/aws/reference/secretsmanager/db";

fn at<const N: usize>(field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    super::at(Kind::SecureParameter, field, bad)
}

fn with<const N: usize>(field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    super::with(Kind::SecureParameter, field, bad)
}

fn entry(more: &Value) -> Value {
    let mut entry = json!({"key": "KEY", "parameter": "/shop/key"});
    more.as_object().into_iter().flatten().for_each(|(key, value)| entry[key] = value.clone());
    json!({"data": [entry]})
}

fn many(count: usize) -> Value {
    (0..count).map(|n| json!({"key": format!("KEY_{n}"), "parameter": "/a"})).collect()
}

pub fn bad() -> Vec<Bad> {
    [whole(), store(), entry_itself(), names(), selectors(), by_hand(), parts()].into_iter().flatten().collect()
}

fn whole() -> Vec<Bad> {
    let specs = [
        with(
            "spec",
            [
                ("no data", json!({"data": []}), "data or dataFrom must have an entry"),
                ("an unknown field", json!({"templte": {}}), "unknown field \"spec.templte\""),
            ],
        ),
        at(
            "spec.refreshInterval",
            [
                ("a second", json!("1s"), NO_INTERVAL),
                ("a year", json!("8760h"), NO_INTERVAL),
                ("days", json!("1d"), NO_INTERVAL),
                ("nothing", json!(""), NO_INTERVAL),
                ("minutes before hours", json!("30m1h"), NO_INTERVAL),
                ("less than nothing", json!("-5m"), NO_INTERVAL),
                ("a fraction", json!("1.5h"), NO_INTERVAL),
                ("a number", json!(300), "spec.refreshInterval"),
            ],
        ),
        at("spec.suspend", [("a word", json!("yes"), "spec.suspend")]),
    ];
    specs.into_iter().flatten().collect()
}

fn store() -> Vec<Bad> {
    let specs = [
        at("spec.storeRef", [("a name", json!("default"), "spec.storeRef")]),
        at("spec.storeRef.kind", [("a kind of others", json!("SecretStore"), "spec.storeRef.kind")]),
        at(
            "spec.storeRef.name",
            [
                ("nothing", json!(""), "spec.storeRef.name"),
                ("upper case", json!("Default"), "spec.storeRef.name"),
                ("a namespace", json!("shop/default"), "spec.storeRef.name"),
                ("a long name", json!("x".repeat(254)), "spec.storeRef.name"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn entry_itself() -> Vec<Bad> {
    at(
        "spec.data",
        [
            (
                "the same key twice",
                json!([{"key": "A", "parameter": "/a"}, {"key": "A", "parameter": "/b"}]),
                "Duplicate",
            ),
            ("too many", many(257), "spec.data"),
            ("names", json!(["/shop/key"]), "spec.data[0]"),
            ("a map", json!({"KEY": "/shop/key"}), "spec.data"),
            (
                "an unknown field",
                json!([{"key": "A", "parameter": "/a", "value": "x"}]),
                "unknown field \"spec.data[0].value\"",
            ),
        ],
    )
}

fn names() -> Vec<Bad> {
    let specs = [
        at(
            "spec.data[].key",
            [
                ("a slash", json!("a/b"), "spec.data[0].key"),
                ("what climbs", json!("..data"), "must not be . or begin with .."),
                ("the folder itself", json!("."), "must not be . or begin with .."),
                ("nothing", json!(""), "spec.data[0].key"),
                ("a long key", json!("k".repeat(254)), "spec.data[0].key"),
            ],
        ),
        at(
            "spec.data[].parameter",
            [
                ("a blank", json!("/shop/a key"), "spec.data[0].parameter"),
                ("a version", json!("/shop/key:3"), "spec.data[0].parameter"),
                ("two slashes", json!("/shop//key"), "spec.data[0].parameter"),
                ("a slash at the end", json!("/shop/key/"), "spec.data[0].parameter"),
                ("an ARN of another service", json!("arn:aws:s3:::bucket"), "spec.data[0].parameter"),
                ("nothing", json!(""), "spec.data[0].parameter"),
            ],
        ),
        with(
            "spec.data[].parameter",
            [("no parameter", json!({"data": [{"key": "KEY"}]}), "spec.data[0].parameter: Required")],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn selectors() -> Vec<Bad> {
    let specs = [
        at(
            "spec.data[].version",
            [
                ("none", json!(0), "spec.data[0].version"),
                ("a text", json!("3"), "spec.data[0].version"),
                ("a fraction", json!(1.5), "spec.data[0].version"),
            ],
        ),
        with(
            "spec.data[].version",
            [
                ("a label beside it", entry(&json!({"version": 1, "label": "prod"})), EXCLUDE),
                ("a secret of Secrets Manager", entry(&json!({"parameter": REFERENCE, "version": 1})), NO_VERSIONS),
            ],
        ),
        at(
            "spec.data[].label",
            [
                ("a digit first", json!("1st"), "spec.data[0].label"),
                ("nothing", json!(""), "spec.data[0].label"),
                ("a long label", json!("x".repeat(101)), "spec.data[0].label"),
            ],
        ),
        at("spec.data[].previous", [("a number", json!(1), "spec.data[0].previous")]),
        with(
            "spec.data[].previous",
            [
                ("a version beside it", entry(&json!({"previous": true, "version": 1})), EXCLUDE),
                ("a label beside it", entry(&json!({"previous": true, "label": "prod"})), EXCLUDE),
                ("a secret of Secrets Manager", entry(&json!({"parameter": REFERENCE, "previous": true})), NO_VERSIONS),
            ],
        ),
        at("spec.data[].optional", [("a word", json!("no"), "spec.data[0].optional")]),
    ];
    specs.into_iter().flatten().collect()
}

fn by_hand() -> Vec<Bad> {
    let specs = [
        at(
            "spec.data[].kmsDecrypt",
            [
                ("a key", json!("alias/key"), "spec.data[0].kmsDecrypt"),
                ("an unknown field", json!({"key": "alias/key"}), "unknown field \"spec.data[0].kmsDecrypt.key\""),
            ],
        ),
        at(
            "spec.data[].kmsDecrypt.keyId",
            [
                ("a name", json!("key"), "kmsDecrypt.keyId"),
                ("nothing", json!(""), "kmsDecrypt.keyId"),
                ("an alias with a blank", json!("alias/my key"), "kmsDecrypt.keyId"),
                ("a short id", json!("1234abcd-12ab-34cd-56ef"), "kmsDecrypt.keyId"),
                ("an ARN of another service", json!("arn:aws:s3:::bucket"), "kmsDecrypt.keyId"),
                ("an ARN without account", json!("arn:aws:kms:eu-central-1::alias/key"), "kmsDecrypt.keyId"),
            ],
        ),
        at(
            "spec.data[].kmsDecrypt.encryptionContext",
            [
                ("that of Parameter Store", json!({"PARAMETER_ARN": "x"}), OF_AWS),
                ("that of Secrets Manager", json!({"SecretARN": "x"}), OF_AWS),
                ("a number", json!({"a": 1}), "encryptionContext.a"),
                ("a long value", json!({"a": "x".repeat(2049)}), "encryptionContext.a"),
                ("too many", entries(65), "encryptionContext"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn parts() -> Vec<Bad> {
    let specs = [
        at(
            "spec.data[].jsonPath",
            [
                ("no root", json!("user"), "spec.data[0].jsonPath"),
                ("nothing", json!(""), "spec.data[0].jsonPath"),
                ("a long path", json!(format!("${}", ".a".repeat(512))), "spec.data[0].jsonPath"),
            ],
        ),
        at("spec.data[].decode", [("an encoding of ours", json!("Rot13"), "spec.data[0].decode")]),
    ];
    specs.into_iter().flatten().collect()
}
