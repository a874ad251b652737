//! What a narrow schema must not refuse.

use serde_json::{Value, json};

use super::{Kind, base};

const ARN: &str = "arn:aws:ssm:eu-central-1:111122223333:parameter";

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
        json!({"data": [entry(&json!({"kmsDecrypt": {"keyID": "alias/team/key", "encryptionContext": {"a b": "c"}}}))]}),
        json!({"data": [entry(&json!({"kmsDecrypt": {"keyID": "1234abcd-12ab-34cd-56ef-1234567890ab"}}))]}),
        json!({"data": [entry(&json!({"kmsDecrypt": {"keyID": "mrk-1234abcd12ab34cd56ef1234567890ab"}}))]}),
        json!({"dataFrom": [{"path": "/shop/", "include": ["a", "db/**"], "exclude": ["*"], "recursive": true, "optional": true}]}),
        json!({"dataFrom": [{"path": "/shop", "label": "prod", "keys": {"style": "EnvVar", "prefix": "App1_"}}]}),
        json!({"dataFrom": [fields(&json!({"version": 3, "optional": true, "include": ["DB_*"], "exclude": ["*_OLD"]}))]}),
        json!({"dataFrom": [fields(&json!({"previous": true, "kmsDecrypt": {}, "jsonPath": "$.env", "decode": "Base64URL"}))]}),
        json!({"dataFrom": [fields(&json!({"label": "prod", "format": "Dotenv"}))], "keyConflicts": "LastWins"}),
        json!({"data": [entry(&json!({"parameter": "key"})), {"key": "B", "parameter": "shop/key"}]}),
        json!({"data": [entry(&json!({"parameter": "arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/shop/key"}))]}),
        json!({"data": [entry(&json!({"parameter": "/x".repeat(15)})), {"key": "B", "parameter": "x".repeat(1011)}]}),
        json!({"data": [entry(&json!({"parameter": format!("{ARN}{}", "/x".repeat(15))}))]}),
        json!({"data": [entry(&json!({"parameter": format!("{ARN}/{}", "x".repeat(1010))}))]}),
        json!({"data": paths(&["$", "$['foo.bar']", "$.a[0]", "$['']", "$.zürich", "$[-1]", "$['hyphen-key'].b_1"])}),
        // The object shows how these are spelled right.
        json!({"data": paths(&["$.hyphen-key", "$.a[0].hyphen-key.b", "$.2a", "$.a.tls/crt", "$.arn:x"])}),
        json!({"data": paths(&[r#"$["it's"]["q\""]"#, r"$['it\'s']", "$['a-b']['.lead']", "$[\"with space\"]", "$.a['b.c-d']"])}),
        json!({"restart": [{"group": "argoproj.io", "kind": "Rollout", "name": "web"}, {"group": "apps", "kind": "Deployment", "name": "web"}]}),
        json!({"target": {"annotations": {"argocd.argoproj.io/sync-options": "Prune=false", "argocd.argoproj.io/compare-options": "IgnoreExtraneous", "kustomize.toolkit.fluxcd.io/prune": "disabled", "kubectl.kubernetes.io/x": "y"}}}),
        json!({"target": {"template": {"data": {"A": "x"}, "mergePolicy": "Replace"}, "labels": {"argocd.argoproj.io/secret-type": "repository"}}}),
        json!({"restart": [{"kind": "DaemonSet", "selector": {"matchLabels": {"example.com/app": ""}}}]}),
        json!({"target": {"labels": {"example.com/app": "", "A_b.c": "x"}, "annotations": {"note": "any text: ü"}}}),
        json!({"target": {"creationPolicy": "Merge", "name": "theirs", "reclaimPolicy": "Retain"}}),
        json!({"target": {"creationPolicy": "Owner", "type": "kubernetes.io/tls", "immutable": true}}),
    ];
    let stores = [
        json!({"access": [{"name": "own", "namespaces": {"from": "Names", "names": ["shop"]}, "parameters": ["/{namespace}/**", "**/public"]}]}),
        json!({"access": [rule("a", &json!({"from": "All"})), rule("b", &json!({"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}))]}),
        json!({"prefix": "/prod/eu", "decryption": "ViaSSM"}),
        json!({"identity": {}}),
        json!({"identity": {"assumeRoles": [role(&json!({"duration": "12h"})), role(&json!({"sessionTags": true}))], "sessionPolicy": "FromAccess"}}),
        json!({"identity": {"serviceAccountRef": {"name": "reader", "namespace": "infra", "audiences": ["sts.amazonaws.com.cn"]}, "sessionPolicy": "FromAccess"}}),
        json!({"identity": {"credentialsSecretRef": {"name": "aws", "namespace": "infra", "keys": {"accessKeyID": "AWS_ACCESS_KEY_ID"}}, "assumeRoles": [role(&json!({"externalID": "a/b:c", "tags": {"team": "a b"}, "transitiveTagKeys": ["team"], "sourceIdentity": "spo@prod"}))]}}),
        json!({"identity": {"assumeRoles": [{"roleARN": "arn:aws-cn:iam::111122223333:role/path/{namespace}-reader", "sessionTags": true, "transitiveTagKeys": ["kubernetes-namespace"]}]}}),
        json!({"fips": true, "dualStack": true}),
        json!({"fips": false, "dualStack": false, "endpoints": {"ssm": "https://vpce-0a-b1.ssm.eu-central-1.vpce.amazonaws.com"}}),
        json!({"endpoints": {"kms": "http://localhost:4566/aws/kms", "sts": "https://[::1]:8443/"}}),
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

fn role(more: &Value) -> Value {
    let mut role = json!({"roleARN": "arn:aws:iam::111122223333:role/reader"});
    more.as_object().into_iter().flatten().for_each(|(key, value)| role[key] = value.clone());
    role
}

fn rule(name: &str, namespaces: &Value) -> Value {
    json!({"name": name, "namespaces": namespaces, "parameters": ["arn:aws:ssm:*:111122223333:parameter/**"], "kmsKeys": ["alias/{namespace}", "arn:aws:kms:*:111122223333:key/*", "alias/aws/ssm"], "kmsDecryptKeys": ["alias/{namespace}"]})
}

fn fields(more: &Value) -> Value {
    let mut entry = json!({"parameter": "/shop/key", "format": "JSON"});
    more.as_object().into_iter().flatten().for_each(|(key, value)| entry[key] = value.clone());
    entry
}

fn paths(paths: &[&str]) -> Value {
    let entry = |(number, path)| json!({"key": format!("KEY_{number}"), "parameter": "/a", "jsonPath": path});
    paths.iter().enumerate().map(entry).collect()
}

fn entry(more: &Value) -> Value {
    let mut entry = json!({"key": "KEY", "parameter": "/shop/key"});
    more.as_object().into_iter().flatten().for_each(|(key, value)| entry[key] = value.clone());
    entry
}
