//! Bad SecureParameters: sources of several keys, and workloads to restart.

use serde_json::{Value, json};

use super::{Bad, Kind, entries, selector};

const EITHER: &str = "exactly one of path and parameter must be set";
const NAME_OR_SELECTOR: &str = "exactly one of name and selector must be set";

fn at<const N: usize>(field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    super::at(Kind::SecureParameter, field, bad)
}

fn repeated(value: &Value, count: usize) -> Value {
    vec![value.clone(); count].into()
}

pub fn bad() -> Vec<Bad> {
    [several(), path(), globs(), parameter(), keys(), restart(), selected()].into_iter().flatten().collect()
}

fn several() -> Vec<Bad> {
    let (path, parameter) = (json!({"prefix": "/shop"}), json!({"name": "/a", "format": "Json"}));
    at(
        "spec.dataFrom",
        [
            ("neither", json!([{}]), EITHER),
            ("both", json!([{"path": path, "parameter": parameter}]), EITHER),
            ("keys alone", json!([{"keys": {"prefix": "A_"}}]), EITHER),
            ("too many", repeated(&json!({"path": path}), 17), "spec.dataFrom"),
            ("names", json!(["/shop"]), "spec.dataFrom[0]"),
        ],
    )
}

fn path() -> Vec<Bad> {
    let specs = [
        at(
            "spec.dataFrom[].path",
            [
                ("a text", json!("/shop"), "spec.dataFrom[0].path"),
                ("no prefix", json!({"recursive": true}), "spec.dataFrom[0].path.prefix: Required"),
                (
                    "a version",
                    json!({"prefix": "/shop", "version": 1}),
                    "unknown field \"spec.dataFrom[0].path.version\"",
                ),
            ],
        ),
        at(
            "spec.dataFrom[].path.prefix",
            [
                ("everything", json!("/"), "spec.dataFrom[0].path.prefix"),
                ("no slash first", json!("shop"), "spec.dataFrom[0].path.prefix"),
                ("two slashes", json!("/shop//checkout"), "spec.dataFrom[0].path.prefix"),
                ("a blank", json!("/my shop"), "spec.dataFrom[0].path.prefix"),
                ("a glob", json!("/shop/*"), "spec.dataFrom[0].path.prefix"),
                ("nothing", json!(""), "spec.dataFrom[0].path.prefix"),
                ("a long path", json!("/x".repeat(506)), "spec.dataFrom[0].path.prefix"),
            ],
        ),
        at("spec.dataFrom[].path.recursive", [("a word", json!("yes"), "spec.dataFrom[0].path.recursive")]),
        at(
            "spec.dataFrom[].path.label",
            [
                ("a digit first", json!("1st"), "spec.dataFrom[0].path.label"),
                ("a blank", json!("my label"), "spec.dataFrom[0].path.label"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn globs() -> Vec<Bad> {
    let bad = |field, place| {
        let globs = [
            ("a slash first", json!(["/db/*"]), place),
            ("a slash last", json!(["db/"]), place),
            ("braces", json!(["{a,b}"]), place),
            ("nothing", json!([""]), place),
            ("too many", repeated(&json!("a"), 33), place),
            ("a long glob", json!(["x".repeat(257)]), place),
            ("no list", json!("db/*"), place),
        ];
        at(field, globs)
    };
    let include = bad("spec.dataFrom[].path.include", "spec.dataFrom[0].path.include");
    include.into_iter().chain(bad("spec.dataFrom[].path.exclude", "spec.dataFrom[0].path.exclude")).collect()
}

fn parameter() -> Vec<Bad> {
    let reference = "aws/reference/secretsmanager/db";
    let specs = [
        at(
            "spec.dataFrom[].parameter",
            [
                ("a name", json!("/a"), "spec.dataFrom[0].parameter"),
                (
                    "two selectors",
                    json!({"name": "/a", "format": "Json", "version": 1, "label": "prod"}),
                    "version and label exclude each other",
                ),
                (
                    "a version of a secret of Secrets Manager",
                    json!({"name": reference, "format": "Json", "version": 1}),
                    "a secret of Secrets Manager has no version numbers",
                ),
            ],
        ),
        at(
            "spec.dataFrom[].parameter.name",
            [
                ("a blank", json!("/a b"), "spec.dataFrom[0].parameter.name"),
                ("a version", json!("/a:1"), "spec.dataFrom[0].parameter.name"),
            ],
        ),
        at("spec.dataFrom[].parameter.version", [("none", json!(0), "spec.dataFrom[0].parameter.version")]),
        at("spec.dataFrom[].parameter.label", [("a digit first", json!("1st"), "spec.dataFrom[0].parameter.label")]),
        at(
            "spec.dataFrom[].parameter.format",
            [
                ("YAML", json!("Yaml"), "spec.dataFrom[0].parameter.format"),
                ("lower case", json!("json"), "spec.dataFrom[0].parameter.format"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn keys() -> Vec<Bad> {
    let specs = [
        at("spec.dataFrom[].keys", [("a prefix", json!("APP_"), "spec.dataFrom[0].keys")]),
        at("spec.dataFrom[].keys.format", [("a form that is none", json!("Kebab"), "spec.dataFrom[0].keys.format")]),
        at(
            "spec.dataFrom[].keys.prefix",
            [
                ("a slash", json!("a/"), "spec.dataFrom[0].keys.prefix"),
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
            ],
        ),
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
                ("upper case", json!("Web"), "spec.restart[0].name"),
                ("a kind", json!("deployment/web"), "spec.restart[0].name"),
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
                ("a value with a blank", json!({"a": "x y"}), "matchLabels.a"),
                ("a long value", json!({"a": "x".repeat(64)}), "matchLabels.a"),
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
        at("spec.restart[].selector.matchExpressions[].key", [("a blank", json!("a b"), "matchExpressions[0].key")]),
        at(
            "spec.restart[].selector.matchExpressions[].operator",
            [("Gt", json!("Gt"), "matchExpressions[0].operator")],
        ),
        at(
            "spec.restart[].selector.matchExpressions[].values",
            [
                ("a blank", json!(["x y"]), "matchExpressions[0].values"),
                ("a text", json!("x"), "matchExpressions[0].values"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}
