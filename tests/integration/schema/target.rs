//! Bad SecureParameters: the Secret to write.

use serde_json::{Value, json};

use super::{Bad, Kind, entries};

const MERGE: &str = "with creationPolicy Merge, the Secret keeps its own type, labels, annotations and immutable";
const TRACKING_LABELS: &str = "labels of secureparameter.io and tracking labels";
const TRACKING_ANNOTATIONS: &str = "annotations of secureparameter.io and tracking annotations";
const LABEL_VALUE: &str = "the value of a label holds letters, digits, -, _ and .";
const LABEL_KEYS: &str = "the keys of labels are [prefix/]name";
const ANNOTATION_KEYS: &str = "the keys of annotations are [prefix/]name";
const CLUSTER: &str = "a Secret of this type would grant access to the cluster itself";

fn at<const N: usize>(field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    super::at(Kind::SecureParameter, field, bad)
}

/// A map of one entry.
fn one(key: &str, value: &str) -> Value {
    json!({ (key): value })
}

pub fn bad() -> Vec<Bad> {
    [secret(), labels(), annotations(), template(), policies()].into_iter().flatten().collect()
}

fn secret() -> Vec<Bad> {
    let specs = [
        at(
            "spec.target.name",
            [
                ("upper case", json!("Checkout"), "lower-case letters"),
                ("a namespace", json!("shop/checkout"), "lower-case letters"),
                ("nothing", json!(""), "spec.target.name"),
                ("a long name", json!("x".repeat(254)), "spec.target.name"),
            ],
        ),
        at(
            "spec.target.type",
            [
                ("a token of a service account", json!("kubernetes.io/service-account-token"), CLUSTER),
                ("a token that joins nodes", json!("bootstrap.kubernetes.io/token"), CLUSTER),
                ("nothing", json!(""), "spec.target.type"),
            ],
        ),
        at("spec.target.immutable", [("perhaps", json!("yes"), "spec.target.immutable")]),
    ];
    specs.into_iter().flatten().collect()
}

fn labels() -> Vec<Bad> {
    at(
        "spec.target.labels",
        [
            ("a label of ours", one("secureparameter.io/owner-uid", "x"), TRACKING_LABELS),
            ("that of Argo CD", one("app.kubernetes.io/instance", "x"), TRACKING_LABELS),
            ("the manager", one("app.kubernetes.io/managed-by", "x"), TRACKING_LABELS),
            ("the other of Argo CD", one("argocd.argoproj.io/instance", "x"), TRACKING_LABELS),
            ("that of Flux", one("kustomize.toolkit.fluxcd.io/name", "x"), TRACKING_LABELS),
            ("that of Flux for Helm", one("helm.toolkit.fluxcd.io/namespace", "x"), TRACKING_LABELS),
            ("that of kubectl", one("applyset.kubernetes.io/part-of", "x"), TRACKING_LABELS),
            ("that of Carvel", one("kapp.k14s.io/app", "x"), TRACKING_LABELS),
            ("that of Rancher", one("objectset.rio.cattle.io/hash", "x"), TRACKING_LABELS),
            ("a key with a blank", one("a b", "x"), LABEL_KEYS),
            ("a key with a dash first", one("-x", "x"), LABEL_KEYS),
            ("a key with two slashes", one("a/b/c", "x"), LABEL_KEYS),
            ("a key with nothing after the slash", one("a/", "x"), LABEL_KEYS),
            ("a key of nothing", one("", "x"), LABEL_KEYS),
            ("a long key", one(&"x".repeat(64), "x"), LABEL_KEYS),
            ("a key with a long prefix", one(&format!("{}/x", "p".repeat(254)), "x"), LABEL_KEYS),
            ("a value with a blank", one("a", "b c"), LABEL_VALUE),
            ("a value with a slash", one("a", "b/c"), LABEL_VALUE),
            ("a value with a dash last", one("a", "b-"), LABEL_VALUE),
            ("a long value", one("a", &"x".repeat(64)), "spec.target.labels"),
            ("a number", json!({"a": 1}), "spec.target.labels.a"),
            ("too many", entries(65), "spec.target.labels"),
        ],
    )
}

fn annotations() -> Vec<Bad> {
    at(
        "spec.target.annotations",
        [
            ("an annotation of ours", one("secureparameter.io/allow", "x"), TRACKING_ANNOTATIONS),
            ("that of Argo CD", one("argocd.argoproj.io/tracking-id", "x"), TRACKING_ANNOTATIONS),
            ("that of kubectl", one("kubectl.kubernetes.io/last-applied-configuration", "x"), TRACKING_ANNOTATIONS),
            ("that of Helm", one("meta.helm.sh/release-name", "x"), TRACKING_ANNOTATIONS),
            ("that of kpt", one("config.k8s.io/owning-inventory", "x"), TRACKING_ANNOTATIONS),
            ("a service account", one("kubernetes.io/service-account.name", "x"), TRACKING_ANNOTATIONS),
            ("a key with a blank", one("a b", "x"), ANNOTATION_KEYS),
            ("a key with a dash first", one("-x", "x"), ANNOTATION_KEYS),
            ("a key with two slashes", one("a/b/c", "x"), ANNOTATION_KEYS),
            ("a long key", one(&"x".repeat(64), "x"), ANNOTATION_KEYS),
            ("a long value", one("a", &"x".repeat(4097)), "spec.target.annotations.a"),
            ("a truth", json!({"a": true}), "spec.target.annotations.a"),
            ("too many", entries(65), "spec.target.annotations"),
        ],
    )
}

fn template() -> Vec<Bad> {
    let specs = [
        at(
            "spec.target.template",
            [
                ("a text", json!("{{ A }}"), "spec.target.template"),
                ("no data", json!({"mergePolicy": "Replace"}), "spec.target.template.data: Required"),
            ],
        ),
        at(
            "spec.target.template.data",
            [
                ("nothing", json!({}), "spec.target.template.data"),
                ("a key with a slash", one("a/b", "x"), "letters, digits"),
                ("a key that climbs", one("..x", "x"), "begin with .."),
                ("a long key", one(&"k".repeat(254), "x"), "letters, digits"),
                ("a long template", one("a", &"x".repeat(4097)), "spec.target.template.data.a"),
                ("too many", entries(65), "spec.target.template.data"),
            ],
        ),
        at(
            "spec.target.template.mergePolicy",
            [("an unknown policy", json!("Only"), "supported values: \"Merge\", \"Replace\"")],
        ),
    ];
    specs.into_iter().flatten().collect()
}

fn policies() -> Vec<Bad> {
    let specs = [
        at(
            "spec.target",
            [
                ("a name", json!("checkout"), "spec.target"),
                ("an unknown field", json!({"secretName": "x"}), "unknown field \"spec.target.secretName\""),
                ("a type of what is there", json!({"creationPolicy": "Merge", "type": "Opaque"}), MERGE),
                ("labels of what is there", json!({"creationPolicy": "Merge", "labels": {"a": "b"}}), MERGE),
                ("annotations of what is there", json!({"creationPolicy": "Merge", "annotations": {"a": "b"}}), MERGE),
                ("immutable what is there", json!({"creationPolicy": "Merge", "immutable": true}), MERGE),
            ],
        ),
        at(
            "spec.target.creationPolicy",
            [
                ("an unknown policy", json!("Orphan"), "spec.target.creationPolicy"),
                ("lower case", json!("merge"), "spec.target.creationPolicy"),
            ],
        ),
        at("spec.target.reclaimPolicy", [("an unknown policy", json!("Recycle"), "spec.target.reclaimPolicy")]),
    ];
    specs.into_iter().flatten().collect()
}
