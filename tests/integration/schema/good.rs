//! What a narrow schema must not refuse.

use serde_json::{Value, json};

use super::{Kind, base};

/// Specs with forms at the edge of what is allowed.
pub fn manifests() -> Vec<(Kind, Value)> {
    let objects = [
        json!({"storeRef": {"name": "team-a.eu", "kind": "ParameterStore"}}),
        json!({"refreshInterval": "0s"}),
        json!({"refreshInterval": "1h30m"}),
        json!({"data": [entry(&json!({"label": "release-1.0"}))]}),
        json!({"data": [entry(&json!({"previous": false, "version": 3}))]}),
        json!({"data": [entry(&json!({"parameter": "/aws/reference/secretsmanager/db", "label": "AWSPREVIOUS"}))]}),
        json!({"data": [entry(&json!({"kmsDecrypt": {}}))]}),
        json!({"data": [entry(&json!({"kmsDecrypt": {"keyId": "alias/team/key", "encryptionContext": {"a b": "c"}}}))]}),
        json!({"data": [entry(&json!({"kmsDecrypt": {"keyId": "1234abcd-12ab-34cd-56ef-1234567890ab"}}))]}),
        json!({"data": [entry(&json!({"kmsDecrypt": {"keyId": "mrk-1234abcd12ab34cd56ef1234567890ab"}}))]}),
        json!({"dataFrom": [{"path": {"prefix": "/shop/", "include": ["a", "db/**"], "exclude": ["*"], "recursive": true}}]}),
        json!({"restart": [{"kind": "DaemonSet", "selector": {"matchLabels": {"example.com/app": ""}}}]}),
        json!({"target": {"labels": {"example.com/app": "", "A_b.c": "x"}, "annotations": {"note": "any text: ü"}}}),
        json!({"target": {"creationPolicy": "Merge", "name": "theirs", "reclaimPolicy": "Retain"}}),
        json!({"target": {"creationPolicy": "Owner", "type": "kubernetes.io/tls", "immutable": true}}),
    ];
    let stores = [
        json!({"access": [{"namespaces": {"names": ["shop"]}, "parameters": ["/{namespace}/**", "**/public"]}]}),
        json!({"revalidateInterval": "720h", "region": "us-gov-west-1", "quota": {"requestsPerSecond": 10000}}),
    ];
    let objects = objects.map(|spec| (Kind::SecureParameter, spec)).into_iter();
    let stores = stores.map(|spec| (Kind::ClusterParameterStore, spec));
    objects.chain(stores).map(|(kind, more)| (kind, merged(kind, &more))).collect()
}

fn merged(kind: Kind, more: &Value) -> Value {
    let mut spec = base(kind, "spec");
    more.as_object().into_iter().flatten().for_each(|(key, value)| spec[key] = value.clone());
    spec
}

fn entry(more: &Value) -> Value {
    let mut entry = json!({"key": "KEY", "parameter": "/shop/key"});
    more.as_object().into_iter().flatten().for_each(|(key, value)| entry[key] = value.clone());
    entry
}
