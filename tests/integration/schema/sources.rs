//! Bad SecureParameters: sources of several keys, and workloads to restart.

use serde_json::{Value, json};

use super::{Bad, Kind, entries, selector};

const EITHER: &str = "exactly one of parameter and path must be set";
const EXCLUDE: &str = "version, label and previous exclude each other";
const NO_VERSIONS: &str = "a secret of Secrets Manager has no version numbers";
const REFERENCE: &str = "aws/reference/secretsmanager/db";
const OF_GROUP: &str = "kind Rollout belongs to group argoproj.io";
const NAME_OR_SELECTOR: &str = "exactly one of name and selector must be set";

fn at<const N: usize>(field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    super::at(Kind::SecureParameter, field, bad)
}

/// Bad values of one field beside a path.
fn path_at<const N: usize>(field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    let name = field.trim_start_matches("spec.dataFrom[].");
    let specs = bad.map(|(what, value, words)| {
        let mut entry = json!({"path": "/shop"});
        entry[name] = value;
        super::with(Kind::SecureParameter, field, [(what, json!({"dataFrom": [entry]}), words)])
    });
    specs.into_iter().flatten().collect()
}

fn repeated(value: &Value, count: usize) -> Value {
    vec![value.clone(); count].into()
}

pub fn bad() -> Vec<Bad> {
    [several(), path(), globs(), parameter(), keys(), restart(), selected()].into_iter().flatten().collect()
}

fn several() -> Vec<Bad> {
    let entry = |more: Value| {
        let mut entry = json!({"parameter": "/a", "format": "JSON"});
        more.as_object().into_iter().flatten().for_each(|(key, value)| entry[key] = value.clone());
        json!([entry])
    };
    at(
        "spec.dataFrom",
        [
            ("neither", json!([{}]), EITHER),
            ("both", entry(json!({"path": "/shop"})), EITHER),
            ("keys alone", json!([{"keys": {"prefix": "A_"}}]), EITHER),
            ("no format", json!([{"parameter": "/a"}]), "format is required beside parameter"),
            ("a recursive parameter", entry(json!({"recursive": true})), "recursive belongs to path"),
            ("a format of a path", json!([{"path": "/a", "format": "JSON"}]), "format belongs to parameter"),
            ("a version of a path", json!([{"path": "/a", "version": 1}]), "version and previous belong to parameter"),
            ("a previous path", json!([{"path": "/a", "previous": true}]), "version and previous belong to parameter"),
            (
                "a path into a path",
                json!([{"path": "/a", "jsonPath": "$.a"}]),
                "jsonPath and decode belong to parameter",
            ),
            ("a decoded path", json!([{"path": "/a", "decode": "Base64"}]), "jsonPath and decode belong to parameter"),
            ("a decrypted path", json!([{"path": "/a", "kmsDecrypt": {}}]), "kmsDecrypt, jsonPath and decode belong"),
            ("a version and a label", entry(json!({"version": 1, "label": "prod"})), EXCLUDE),
            (
                "a version of a secret of Secrets Manager",
                entry(json!({"parameter": REFERENCE, "version": 1})),
                NO_VERSIONS,
            ),
            ("too many", repeated(&json!({"path": "/shop"}), 17), "spec.dataFrom"),
            ("names", json!(["/shop"]), "spec.dataFrom[0]"),
            ("the former form", json!([{"path": {"prefix": "/shop"}}]), "spec.dataFrom[0].path"),
        ],
    )
}

fn path() -> Vec<Bad> {
    let specs = [
        path_at(
            "spec.dataFrom[].path",
            [
                ("everything", json!("/"), "names at least one level"),
                ("no slash first", json!("shop"), "a path begins with /"),
                ("two slashes", json!("/shop//checkout"), "a name has no empty level"),
                ("a blank", json!("/my shop"), "a name holds no blanks"),
                ("a glob", json!("/shop/*"), "choose among the parameters below it with include and exclude"),
                ("a label", json!("/shop:prod"), "put a label into the field label"),
                ("an ARN", json!("arn:aws:ssm:eu-central-1:111122223333:parameter/shop"), "a path begins with /"),
                ("an address", json!("/shop/@home"), "letters, digits and the characters . - _"),
                ("nothing", json!(""), "spec.dataFrom[0].path"),
                ("too many levels", json!("/x".repeat(16)), "at most 15 levels"),
                ("a long path", json!(format!("/{}", "x".repeat(1011))), "at most 1,011 characters"),
            ],
        ),
        path_at("spec.dataFrom[].recursive", [("a word", json!("yes"), "spec.dataFrom[0].recursive")]),
        path_at(
            "spec.dataFrom[].label",
            [
                ("a digit first", json!("1st"), "does not begin with a digit"),
                ("a blank", json!("my label"), "a label holds letters"),
            ],
        ),
        path_at("spec.dataFrom[].optional", [("a word", json!("yes"), "spec.dataFrom[0].optional")]),
    ];
    specs.into_iter().flatten().collect()
}

fn globs() -> Vec<Bad> {
    let bad = |field, place| {
        let globs = [
            ("a slash first", json!(["/db/*"]), "does not begin or end with /"),
            ("a slash last", json!(["db/"]), "does not begin or end with /"),
            ("braces", json!(["{a,b}"]), "braces and brackets have no meaning"),
            ("brackets", json!(["DB_[A-Z]*"]), "write an entry for each alternative"),
            ("an open bracket", json!(["[x"]), "braces and brackets have no meaning"),
            ("nothing", json!([""]), place),
            ("too many", repeated(&json!("a"), 33), place),
            ("a long glob", json!(["x".repeat(257)]), place),
            ("no list", json!("db/*"), place),
        ];
        at(field, globs)
    };
    let include = bad("spec.dataFrom[].include", "spec.dataFrom[0].include");
    include.into_iter().chain(bad("spec.dataFrom[].exclude", "spec.dataFrom[0].exclude")).collect()
}

fn parameter() -> Vec<Bad> {
    let specs = [
        at(
            "spec.dataFrom[].parameter",
            [
                ("a blank", json!("/a b"), "a name holds no blanks"),
                ("a version", json!("/a:1"), "into the field version"),
                ("a label", json!("/a:prod"), "into the field label"),
                ("an object", json!({"name": "/a"}), "spec.dataFrom[0].parameter"),
            ],
        ),
        at("spec.dataFrom[].version", [("none", json!(0), "spec.dataFrom[0].version")]),
        at("spec.dataFrom[].previous", [("a number", json!(1), "spec.dataFrom[0].previous")]),
        at("spec.dataFrom[].kmsDecrypt", [("a key", json!("alias/key"), "spec.dataFrom[0].kmsDecrypt")]),
        at("spec.dataFrom[].kmsDecrypt.keyID", [("a name", json!("key"), "keyID is the id of a key")]),
        at(
            "spec.dataFrom[].kmsDecrypt.encryptionContext",
            [("that of Parameter Store", json!({"PARAMETER_ARN": "x"}), "bind what AWS itself encrypts")],
        ),
        at("spec.dataFrom[].jsonPath", [("a wildcard", json!("$[*]"), "a path leads to one value")]),
        at("spec.dataFrom[].decode", [("an unknown encoding", json!("Rot13"), "spec.dataFrom[0].decode")]),
        at(
            "spec.dataFrom[].format",
            [
                ("YAML", json!("YAML"), "supported values: \"JSON\", \"Dotenv\""),
                ("another spelling", json!("Json"), "spec.dataFrom[0].format"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn keys() -> Vec<Bad> {
    let specs = [
        at(
            "spec.dataFrom[].keys",
            [
                ("a prefix", json!("APP_"), "spec.dataFrom[0].keys"),
                (
                    "a prefix that no variable has",
                    json!({"style": "EnvVar", "prefix": "app-"}),
                    "with style EnvVar the prefix holds letters, digits and _ only",
                ),
            ],
        ),
        at("spec.dataFrom[].keys.style", [("an unknown style", json!("Kebab"), "spec.dataFrom[0].keys.style")]),
        at(
            "spec.dataFrom[].keys.prefix",
            [
                ("a slash", json!("a/"), "letters, digits and the characters - _ . only"),
                ("nothing", json!(""), "spec.dataFrom[0].keys.prefix"),
                ("a long prefix", json!("x".repeat(101)), "spec.dataFrom[0].keys.prefix"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn restart() -> Vec<Bad> {
    let target = json!({"kind": "Deployment", "name": "web"});
    let specs = [
        at(
            "spec.restart",
            [
                ("no name and no selector", json!([{"kind": "Deployment"}]), NAME_OR_SELECTOR),
                ("both", json!([{"kind": "Deployment", "name": "web", "selector": selector()}]), NAME_OR_SELECTOR),
                ("too many", repeated(&target, 17), "spec.restart"),
                ("a name", json!(["web"]), "spec.restart[0]"),
                ("no kind", json!([{"name": "web"}]), "spec.restart[0].kind: Required"),
                ("a Rollout of apps", json!([{"kind": "Rollout", "name": "web"}]), OF_GROUP),
                (
                    "a Deployment of Argo",
                    json!([{"group": "argoproj.io", "kind": "Deployment", "name": "web"}]),
                    OF_GROUP,
                ),
            ],
        ),
        at("spec.restart[].group", [("a group of others", json!("batch"), "spec.restart[0].group")]),
        at(
            "spec.restart[].kind",
            [
                ("a CronJob", json!("CronJob"), "spec.restart[0].kind"),
                ("lower case", json!("deployment"), "spec.restart[0].kind"),
            ],
        ),
        at(
            "spec.restart[].name",
            [
                ("upper case", json!("Web"), "lower-case letters"),
                ("a kind", json!("deployment/web"), "lower-case letters"),
                ("nothing", json!(""), "spec.restart[0].name"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn selected() -> Vec<Bad> {
    let values = |operator: &str, values: &Value| json!([{"key": "a", "operator": operator, "values": values}]);
    let specs = [
        at(
            "spec.restart[].selector",
            [
                ("nothing in it", json!({}), "an empty selector selects nothing"),
                ("nothing in either", json!({"matchLabels": {}, "matchExpressions": []}), "an empty selector selects"),
                ("a text", json!("app=web"), "spec.restart[0].selector"),
                ("labels alone", json!({"app": "web"}), "unknown field \"spec.restart[0].selector.app\""),
            ],
        ),
        at(
            "spec.restart[].selector.matchLabels",
            [
                ("a key with a blank", json!({"a b": "x"}), "the keys of labels are [prefix/]name"),
                ("a value with a blank", json!({"a": "x y"}), "the value of a label holds"),
                ("a long value", json!({"a": "x".repeat(64)}), "matchLabels"),
                ("too many", entries(17), "matchLabels"),
            ],
        ),
        at(
            "spec.restart[].selector.matchExpressions",
            [
                ("no values for In", json!([{"key": "a", "operator": "In"}]), "values belong to In and NotIn"),
                ("values for Exists", values("Exists", &json!(["x"])), "values belong to In and NotIn"),
                ("too many", repeated(&json!({"key": "a", "operator": "Exists"}), 17), "matchExpressions"),
            ],
        ),
        at(
            "spec.restart[].selector.matchExpressions[].key",
            [("a blank", json!("a b"), "the key of a label is [prefix/]name")],
        ),
        at(
            "spec.restart[].selector.matchExpressions[].operator",
            [("Gt", json!("Gt"), "matchExpressions[0].operator")],
        ),
        at(
            "spec.restart[].selector.matchExpressions[].values",
            [
                ("a blank", json!(["x y"]), "the value of a label holds"),
                ("a text", json!("x"), "matchExpressions[0].values"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}
