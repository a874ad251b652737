//! The schemas on the real API server: applied without warnings, and refusing nonsense in words that help.

use anyhow::{Result, bail};
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, wait::eventually};

use crate::support::{PATIENCE, object, store};

async fn plane() -> Result<ControlPlane> {
    let plane = ControlPlane::start().await?;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    plane.kubectl(["apply", "--warnings-as-errors", "-f", folder]).await?;
    plane.kubectl(["create", "namespace", "shop"]).await?;
    eventually("the definitions to be served", PATIENCE, async || {
        Ok(Some(dry_run(&plane, &object("probe", &[("KEY", "/shop/key")], &json!({}))).await?))
    })
    .await?;
    Ok(plane)
}

async fn dry_run(plane: &ControlPlane, manifest: &Value) -> Result<String> {
    plane.kubectl_stdin(["apply", "--dry-run=server", "-f", "-"], &manifest.to_string()).await
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason() -> Result<()> {
    let plane = plane().await?;
    for (what, spec, words) in bad_objects() {
        refused(&plane, what, &object("bad", &[("KEY", "/shop/key")], &spec), words).await?;
    }
    for (what, spec, words) in bad_stores() {
        refused(&plane, what, &store("bad", &spec), words).await?;
    }
    Ok(())
}

async fn refused(plane: &ControlPlane, what: &str, manifest: &Value, words: &str) -> Result<()> {
    match dry_run(plane, manifest).await {
        Ok(_) => bail!("{what} was accepted"),
        Err(error) if format!("{error:#}").contains(words) => Ok(()),
        Err(error) => Err(error.context(format!("{what}: the message lacks {words:?}"))),
    }
}

fn entry(more: &Value) -> Value {
    let mut entry = json!({"key": "KEY", "parameter": "/shop/key"});
    for (key, value) in more.as_object().into_iter().flatten() {
        entry[key] = value.clone();
    }
    json!({"data": [entry]})
}

fn from(parameter: &Value, keys: &Value) -> Value {
    let mut source = json!({"name": "/shop/config", "format": "Json"});
    for (key, value) in parameter.as_object().into_iter().flatten() {
        source[key] = value.clone();
    }
    json!({"dataFrom": [{"parameter": source, "keys": keys}]})
}

fn bad_objects() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("no data", json!({"data": []}), "data or dataFrom must have an entry"),
        (
            "two selectors",
            entry(&json!({"version": 1, "label": "prod"})),
            "version, label and previous exclude each other",
        ),
        ("version 0", entry(&json!({"version": 0})), "version"),
        ("a label that starts with a digit", entry(&json!({"label": "1st"})), "label"),
        ("a name with a blank", entry(&json!({"parameter": "/shop/a key"})), "parameter"),
        ("a name with its version", entry(&json!({"parameter": "/shop/key:3"})), "parameter"),
        ("an ARN of another service", entry(&json!({"parameter": "arn:aws:s3:::bucket"})), "parameter"),
        ("a key with a slash", entry(&json!({"key": "a/b"})), "key"),
        ("a key that climbs", entry(&json!({"key": "..data"})), "must not be . or begin with .."),
        (
            "the same key twice",
            json!({"data": [{"key": "A", "parameter": "/a"}, {"key": "A", "parameter": "/b"}]}),
            "Duplicate",
        ),
        ("a path that does not begin at the root", entry(&json!({"jsonPath": "user"})), "jsonPath"),
        ("an encoding of ours", entry(&json!({"decode": "Rot13"})), "decode"),
        ("fields of nothing", json!({"dataFrom": [{}]}), "parameter"),
        ("fields without a format", json!({"dataFrom": [{"parameter": {"name": "/a"}}]}), "format"),
        ("fields in YAML", from(&json!({"format": "Yaml"}), &json!({})), "format"),
        ("fields with two selectors", from(&json!({"version": 1, "label": "prod"}), &json!({})), "exclude each other"),
        ("keys in a form that is none", from(&json!({}), &json!({"format": "Kebab"})), "keys.format"),
        ("a prefix with a slash", from(&json!({}), &json!({"prefix": "a/"})), "keys.prefix"),
        ("templates of nothing", json!({"target": {"template": {"data": {}}}}), "target.template.data"),
        ("a template for no key", json!({"target": {"template": {"data": {"a/b": "x"}}}}), "letters, digits"),
        ("a template for a key that climbs", json!({"target": {"template": {"data": {"..x": "x"}}}}), "begin with .."),
        ("a Secret that is perhaps immutable", json!({"target": {"immutable": "yes"}}), "target.immutable"),
        ("an interval of a second", json!({"refreshInterval": "1s"}), "between 10s and 168h"),
        ("an interval of a year", json!({"refreshInterval": "8760h"}), "between 10s and 168h"),
        ("an interval in days", json!({"refreshInterval": "1d"}), "refreshInterval"),
        ("an empty interval", json!({"refreshInterval": ""}), "refreshInterval"),
        (
            "a token of a service account",
            json!({"target": {"type": "kubernetes.io/service-account-token"}}),
            "access to the cluster",
        ),
        ("a label of ours", json!({"target": {"labels": {"secureparameter.io/owner-uid": "x"}}}), "tracking labels"),
        ("a tracking label", json!({"target": {"labels": {"app.kubernetes.io/instance": "x"}}}), "tracking labels"),
        ("an unknown policy", json!({"target": {"reclaimPolicy": "Recycle"}}), "reclaimPolicy"),
        ("an unknown field", json!({"templte": {}}), "unknown field"),
        ("a store of an unknown kind", json!({"storeRef": {"kind": "SecretStore"}}), "storeRef.kind"),
    ]
}

fn bad_stores() -> Vec<(&'static str, Value, &'static str)> {
    let access = |rule: Value| json!({"access": [rule]});
    let all = json!({"all": true});
    vec![
        (
            "names and all",
            access(json!({"namespaces": {"all": true, "names": ["a"]}, "parameters": ["/a"]})),
            "exactly one of",
        ),
        ("nobody", access(json!({"namespaces": {}, "parameters": ["/a"]})), "exactly one of"),
        (
            "an empty selector",
            access(json!({"namespaces": {"selector": {}}, "parameters": ["/a"]})),
            "an empty selector selects nothing",
        ),
        ("no parameters", access(json!({"namespaces": all, "parameters": []})), "parameters"),
        ("a glob without slash", access(json!({"namespaces": all, "parameters": ["shop/*"]})), "parameters"),
        ("a proof of access each second", json!({"revalidateInterval": "1s"}), "between 10s and 720h"),
        ("a proof of access that is no duration", json!({"revalidateInterval": "daily"}), "between 10s and 720h"),
        ("decryption by nobody", json!({"decryption": "None"}), "decryption"),
        ("a quota of nothing", json!({"quota": {"requestsPerSecond": 0}}), "requestsPerSecond"),
        ("a region that is none", json!({"region": "Frankfurt"}), "region"),
        (
            "values for Exists",
            access(json!({
                "namespaces": {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["x"]}]}},
                "parameters": ["/a"],
            })),
            "values belong to In and NotIn",
        ),
    ]
}
