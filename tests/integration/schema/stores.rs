//! Bad stores of both kinds.

use serde_json::{Value, json};

use super::{Bad, Kind, entries};

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
        .flat_map(|kind| common(kind).into_iter().chain(roles(kind)).chain(sources(kind)));
    let own = [identity(), own_identity(), of_cluster_stores(), endpoints(), no_endpoints()].into_iter().flatten();
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
