//! Bad stores of both kinds.

use serde_json::{Value, json};

use super::{Bad, Kind, entries, identities};

const PLACEHOLDER: &str = "braces only hold the word namespace, as a whole segment";
const NO_INTERVAL: &str = "revalidateInterval must be 0s (never) or between 10s and 720h";
const NAMES: &str = "names belongs to from: Names, which needs it";
const SELECTOR: &str = "selector belongs to from: Selector, which needs it";
const LABEL_KEYS: &str = "the keys of labels are [prefix/]name";
const ENDPOINT: &str = "an endpoint is written like https://host:port";
const NOT_BOTH: &str = "endpoints cannot be combined with fips or dualStack";
const VALUES: &str = "values belong to In and NotIn";

fn at<const N: usize>(field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    super::at(Kind::ClusterParameterStore, field, bad)
}

pub fn bad() -> Vec<Bad> {
    let both = [Kind::ClusterParameterStore, Kind::ParameterStore]
        .into_iter()
        .flat_map(|kind| common(kind).into_iter().chain(identities::of_both(kind)));
    let own = [identities::of_one_kind(), endpoints(), no_endpoints()].into_iter().flatten();
    both.chain(own).chain([access(), namespaces(), selector(), quota()].into_iter().flatten()).collect()
}

fn common(kind: Kind) -> Vec<Bad> {
    let specs = [
        super::with(kind, "spec", [("an unknown field", json!({"regoin": "x"}), "unknown field \"spec.regoin\"")]),
        super::at(
            kind,
            "spec.region",
            [
                ("a town", json!("Frankfurt"), "a region is written like eu-central-1"),
                ("a zone of nothing", json!("eu-"), "a region is written like eu-central-1"),
                ("nothing", json!(""), "spec.region"),
            ],
        ),
        super::at(kind, "spec.fips", [("a word", json!("yes"), "spec.fips")]),
        super::at(kind, "spec.dualStack", [("a number", json!(1), "spec.dualStack")]),
        super::at(
            kind,
            "spec.prefix",
            [
                ("no slash first", json!("prod"), "each with / before it and none at the end, for example /prod"),
                ("a slash at the end", json!("/prod/"), "for example /prod"),
                ("the root", json!("/"), "for example /prod"),
                ("two slashes", json!("/a//b"), "for example /prod"),
                ("a blank", json!("/my prod"), "for example /prod"),
                ("too many levels", json!("/x".repeat(15)), "1 to 14 levels"),
                ("nothing", json!(""), "spec.prefix"),
                ("a long prefix", json!(format!("/{}", "x".repeat(512))), "spec.prefix"),
            ],
        ),
        super::at(kind, "spec.decryption", [("nobody", json!("None"), "supported values: \"ViaSSM\", \"Direct\"")]),
        super::at(
            kind,
            "spec.revalidateInterval",
            [
                ("each second", json!("1s"), NO_INTERVAL),
                ("a year", json!("8760h"), NO_INTERVAL),
                ("no duration", json!("daily"), NO_INTERVAL),
                ("nothing", json!(""), NO_INTERVAL),
            ],
        ),
        super::at(kind, "spec.identity", [("a role", json!("arn:aws:iam::111122223333:role/reader"), "spec.identity")]),
        super::at(
            kind,
            "spec.identity.credentialsSecretRef",
            [
                ("a name", json!("aws"), "spec.identity.credentialsSecretRef"),
                ("nothing in it", json!({}), "spec.identity.credentialsSecretRef.name: Required"),
            ],
        ),
        super::at(
            kind,
            "spec.identity.credentialsSecretRef.name",
            [
                ("nothing", json!(""), "spec.identity.credentialsSecretRef.name"),
                ("another folder", json!("../aws"), "lower-case letters"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn endpoints() -> Vec<Bad> {
    let ssm = json!({"ssm": "https://ssm.test"});
    let specs = [
        at(
            "spec.endpoints",
            [("none", json!({}), "endpoints names at least one"), ("a URL", json!("https://x"), "spec.endpoints")],
        ),
        at(
            "spec.endpoints.ssm",
            [
                ("nothing", json!(""), "spec.endpoints.ssm"),
                ("a host", json!("ssm.test"), ENDPOINT),
                ("another scheme", json!("ftp://ssm.test"), ENDPOINT),
                ("a user", json!("https://user:password@ssm.test"), ENDPOINT),
                ("a query", json!("https://ssm.test?a=b"), ENDPOINT),
                ("a fragment", json!("https://ssm.test#a"), ENDPOINT),
                ("no host", json!("https://"), ENDPOINT),
                ("an encoded host", json!("https://%31.test"), ENDPOINT),
                ("a zone", json!("https://[fe80::1%25eth0]"), ENDPOINT),
                ("a line break", json!("https://ssm.test\n"), ENDPOINT),
                ("a long URL", json!(format!("https://{}", "x".repeat(512))), "spec.endpoints.ssm"),
            ],
        ),
        at("spec.endpoints.kms", [("a host", json!("kms.test"), ENDPOINT)]),
        at("spec.endpoints.sts", [("a host", json!("sts.test"), ENDPOINT)]),
        super::with(
            Kind::ClusterParameterStore,
            "spec",
            [
                ("FIPS and endpoints", json!({"fips": true, "endpoints": ssm}), NOT_BOTH),
                ("dual-stack and endpoints", json!({"dualStack": true, "endpoints": ssm}), NOT_BOTH),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn no_endpoints() -> Vec<Bad> {
    let endpoints = json!({"endpoints": {"ssm": "https://ssm.test"}});
    super::with(Kind::ParameterStore, "spec", [("endpoints", endpoints, "unknown field \"spec.endpoints\"")])
}

fn access() -> Vec<Bad> {
    let all = json!({"from": "All"});
    let rule = |name: &str| json!({"name": name, "namespaces": all, "parameters": ["/a"]});
    let rules = |count: usize| (0..count).map(|number| rule(&format!("r{number}"))).collect::<Value>();
    let specs = [
        at(
            "spec.access",
            [
                ("too many", rules(65), "spec.access"),
                ("a glob", json!(["/shop/*"]), "spec.access[0]"),
                ("two rules of one name", json!([rule("a"), rule("a")]), "Duplicate"),
                ("no name", json!([{"namespaces": all, "parameters": ["/a"]}]), "spec.access[0].name: Required"),
                ("no namespaces", json!([{"name": "a", "parameters": ["/a"]}]), "spec.access[0].namespaces: Required"),
                ("no parameters", json!([{"name": "a", "namespaces": all}]), "spec.access[0].parameters: Required"),
            ],
        ),
        at(
            "spec.access[].name",
            [
                ("a blank", json!("my rule"), "lower-case letters, digits and -"),
                ("upper case", json!("Own"), "lower-case letters, digits and -"),
                ("nothing", json!(""), "spec.access[0].name"),
                ("a long name", json!("x".repeat(64)), "spec.access[0].name"),
            ],
        ),
        at(
            "spec.access[].parameters",
            [
                ("none", json!([]), "spec.access[0].parameters"),
                ("no slash first", json!(["shop/*"]), "a glob begins with /, **/ or arn:"),
                ("a blank", json!(["/shop/a b"]), "a glob begins with /, **/ or arn: and goes on"),
                ("brackets", json!(["/shop/[ab]"]), "a glob begins with /, **/ or arn: and goes on"),
                ("a placeholder within a segment", json!(["/{namespace}*"]), PLACEHOLDER),
                ("another placeholder", json!(["/{name}/**"]), PLACEHOLDER),
                ("an open brace", json!(["/{namespace/**"]), PLACEHOLDER),
                ("nothing", json!([""]), "spec.access[0].parameters"),
                ("too many", vec![json!("/a"); 33].into(), "spec.access[0].parameters"),
            ],
        ),
        at(
            "spec.access[].kmsKeys",
            [
                ("every key", json!(["*"]), "begins with alias/ or arn:"),
                ("a key id", json!(["1234abcd-12ab-34cd-56ef-1234567890ab"]), "begins with alias/ or arn:"),
                ("a blank", json!(["alias/a b"]), "begins with alias/ or arn:"),
                ("a placeholder within a segment", json!(["alias/x-{namespace}"]), PLACEHOLDER),
                ("nothing", json!([""]), "spec.access[0].kmsKeys"),
                ("no list", json!("alias/a"), "spec.access[0].kmsKeys"),
                ("too many", vec![json!("alias/a"); 33].into(), "spec.access[0].kmsKeys"),
            ],
        ),
        at(
            "spec.access[].kmsDecryptKeys",
            [
                ("a blank", json!(["alias/a b"]), "a glob on keys holds"),
                ("a placeholder within a segment", json!(["alias/x-{namespace}"]), PLACEHOLDER),
                ("nothing", json!([""]), "spec.access[0].kmsDecryptKeys"),
                ("no list", json!("alias/a"), "spec.access[0].kmsDecryptKeys"),
                ("too many", vec![json!("alias/a"); 33].into(), "spec.access[0].kmsDecryptKeys"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn namespaces() -> Vec<Bad> {
    let specs = [
        at(
            "spec.access[].namespaces",
            [
                ("names and all", json!({"from": "All", "names": ["a"]}), NAMES),
                (
                    "names and a selector",
                    json!({"from": "Names", "names": ["a"], "selector": super::selector()}),
                    SELECTOR,
                ),
                ("names without names", json!({"from": "Names"}), NAMES),
                ("a selector without a selector", json!({"from": "Selector"}), SELECTOR),
                ("nobody", json!({}), "spec.access[0].namespaces.from: Required"),
            ],
        ),
        at(
            "spec.access[].namespaces.from",
            [("none", json!("None"), "supported values: \"All\", \"Names\", \"Selector\"")],
        ),
        at(
            "spec.access[].namespaces.names",
            [
                ("none", json!([]), "spec.access[0].namespaces.names"),
                ("a glob", json!(["shop-*"]), "lower-case letters"),
                ("a long name", json!(["x".repeat(64)]), "spec.access[0].namespaces.names"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn selector() -> Vec<Bad> {
    let values = |operator: &str, values: &Value| json!([{"key": "a", "operator": operator, "values": values}]);
    let specs = [
        at(
            "spec.access[].namespaces.selector",
            [
                ("nothing in it", json!({}), "an empty selector selects nothing"),
                ("labels alone", json!({"team": "shop"}), "unknown field"),
            ],
        ),
        at(
            "spec.access[].namespaces.selector.matchLabels",
            [
                ("a key with a blank", json!({"a b": "x"}), LABEL_KEYS),
                ("a key with two slashes", json!({"a/b/c": "x"}), LABEL_KEYS),
                ("a value with a blank", json!({"a": "x y"}), "the value of a label holds"),
                ("too many", entries(17), "matchLabels"),
            ],
        ),
        at(
            "spec.access[].namespaces.selector.matchExpressions",
            [
                ("values for Exists", values("Exists", &json!(["x"])), VALUES),
                ("no values for NotIn", json!([{"key": "a", "operator": "NotIn"}]), VALUES),
            ],
        ),
        at(
            "spec.access[].namespaces.selector.matchExpressions[].key",
            [("a dash first", json!("-a"), "the key of a label is [prefix/]name")],
        ),
        at(
            "spec.access[].namespaces.selector.matchExpressions[].operator",
            [("Equals", json!("Equals"), "matchExpressions[0].operator")],
        ),
        at(
            "spec.access[].namespaces.selector.matchExpressions[].values",
            [("a long value", json!(["x".repeat(64)]), "matchExpressions[0].values")],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn quota() -> Vec<Bad> {
    let specs = [
        at(
            "spec.quota",
            [("a number", json!(10), "spec.quota"), ("nothing in it", json!({}), "requestsPerSecond: Required")],
        ),
        at(
            "spec.quota.requestsPerSecond",
            [
                ("none", json!(0), "spec.quota.requestsPerSecond"),
                ("more than AWS has", json!(10_001), "spec.quota.requestsPerSecond"),
                ("a fraction", json!(0.5), "spec.quota.requestsPerSecond"),
            ],
        ),
    ];
    specs.into_iter().flatten().collect()
}
