//! Bad SecureParameters: the spec itself, the store, and single keys.

use serde_json::{Value, json};

use super::{Bad, Kind, entries};

const EXCLUDE: &str = "version, label and previous exclude each other";
const NO_VERSIONS: &str = "a secret of Secrets Manager has no version numbers";
const NO_INTERVAL: &str = "refreshInterval must be 0s (no polling) or between 10s and 168h";
const OF_AWS: &str = "bind what AWS itself encrypts";
const REFERENCE: &str = "/aws/reference/secretsmanager/db";
const ARN: &str = "arn:aws:ssm:eu-central-1:111122223333:parameter";
const LABEL: &str = "does not begin with a digit";
const KEY_ID: &str = "keyID is the id of a key";
const ONE_VALUE: &str = "a path leads to one value by names and indices";

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
    [whole(), store(), entry_itself(), names(), selectors(), kms_decrypt(), parts()].into_iter().flatten().collect()
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
        at(
            "spec.keyConflicts",
            [
                ("an unknown rule", json!("FirstWins"), "supported values: \"Fail\", \"LastWins\""),
                ("a truth", json!(true), "spec.keyConflicts"),
            ],
        ),
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
                ("upper case", json!("Default"), "lower-case letters"),
                ("a namespace", json!("shop/default"), "lower-case letters"),
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
                ("a slash", json!("a/b"), "letters, digits and the characters - _ . only"),
                ("a folder above", json!("..data"), "must not be . or begin with .."),
                ("the folder itself", json!("."), "must not be . or begin with .."),
                ("nothing", json!(""), "spec.data[0].key"),
                ("a long key", json!("k".repeat(254)), "spec.data[0].key"),
            ],
        ),
        at(
            "spec.data[].parameter",
            [
                ("a blank", json!("/shop/a key"), "a name holds no blanks"),
                ("a version", json!("/shop/key:3"), "put the number after the colon into the field version"),
                ("a label", json!("/shop/key:prod"), "put the text after the colon into the field label"),
                ("a version of an ARN", json!(format!("{ARN}/key:3")), "into the field version"),
                ("a label of an ARN", json!(format!("{ARN}/key:prod")), "into the field label"),
                (
                    "a label of a secret of Secrets Manager",
                    json!("/aws/reference/secretsmanager/db:AWSPREVIOUS"),
                    "into the field label",
                ),
                ("a version that is none", json!("/shop/key:3x"), "for example /shop/db-password"),
                ("two slashes", json!("/shop//key"), "a name has no empty level"),
                ("a slash at the end", json!("/shop/key/"), "use path in dataFrom"),
                ("an address", json!("/shop/user@example.com"), "letters, digits and the characters . - _"),
                ("an ARN of another service", json!("arn:aws:s3:::bucket"), "for example /shop/db-password"),
                ("too many levels", json!("/x".repeat(16)), "at most 15 levels"),
                ("too many levels of an ARN", json!(format!("{ARN}{}", "/x".repeat(16))), "at most 15 levels"),
                ("a long name", json!("x".repeat(1012)), "at most 1,011 characters"),
                ("a long name in an ARN", json!(format!("{ARN}/{}", "x".repeat(1011))), "at most 1,011 characters"),
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
                ("a digit first", json!("1st"), LABEL),
                ("a version", json!("3"), "a version goes into the field version"),
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

fn kms_decrypt() -> Vec<Bad> {
    let specs = [
        at(
            "spec.data[].kmsDecrypt",
            [
                ("a key", json!("alias/key"), "spec.data[0].kmsDecrypt"),
                ("an unknown field", json!({"key": "alias/key"}), "unknown field \"spec.data[0].kmsDecrypt.key\""),
            ],
        ),
        at(
            "spec.data[].kmsDecrypt.keyID",
            [
                ("a name", json!("key"), KEY_ID),
                ("nothing", json!(""), "kmsDecrypt.keyID"),
                ("an alias with a blank", json!("alias/my key"), KEY_ID),
                ("a short id", json!("1234abcd-12ab-34cd-56ef"), KEY_ID),
                ("an ARN of another service", json!("arn:aws:s3:::bucket"), KEY_ID),
                ("an ARN without account", json!("arn:aws:kms:eu-central-1::alias/key"), KEY_ID),
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
                ("no root", json!("user"), "a path begins with $"),
                ("a name without a dot", json!("$a"), ONE_VALUE),
                ("a wildcard", json!("$.a[*]"), ONE_VALUE),
                ("a slice", json!("$.a[1:3]"), ONE_VALUE),
                ("two names", json!("$['a','b']"), ONE_VALUE),
                ("descendants", json!("$..*"), ONE_VALUE),
                ("a filter", json!("$[?search(@,'((a{99}){99}){9}')]"), ONE_VALUE),
                ("nested functions", json!(format!("$[?{}@{} > 0]", "count(".repeat(120), ")".repeat(120))), ONE_VALUE),
                ("an index with a zero first", json!("$.a[01]"), ONE_VALUE),
                ("an open bracket", json!("$.a[0"), ONE_VALUE),
                ("nothing", json!(""), "spec.data[0].jsonPath"),
                ("a long path", json!(format!("${}", ".a".repeat(512))), "spec.data[0].jsonPath"),
            ],
        ),
        at(
            "spec.data[].decode",
            [
                ("an unknown encoding", json!("Rot13"), "supported values: \"Base64\", \"Base64URL\""),
                ("another spelling", json!("Base64Url"), "spec.data[0].decode"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}
