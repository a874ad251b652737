//! The schemas on the real API server: applied without warnings, and refusing nonsense in words that help. Each bad
//! manifest names the field that it is about; `reference.rs` holds that no field is without one.

mod data;
mod good;
mod identities;
mod reference;
mod sources;
mod stores;
mod target;

use anyhow::{Result, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, wait::eventually};

use crate::support::{PATIENCE, object};

/// A manifest that the API server refuses.
pub struct Bad {
    /// Its kind.
    pub kind: Kind,
    /// The field that it is about, as in `docs/reference.md`.
    pub field: &'static str,
    what: &'static str,
    spec: Value,
    words: &'static str,
}

/// The kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    SecureParameter,
    ClusterParameterStore,
    ParameterStore,
}

/// What an API server says that leaves its rules to guess.
const RIDDLES: &[&str] = &["failed rule", "no such key", "no such overload", "evaluat", "internal error"];

/// All bad manifests.
pub fn bad_manifests() -> Vec<Bad> {
    [data::bad(), sources::bad(), target::bad(), stores::bad()].into_iter().flatten().collect()
}

/// Bad values of one field, each written into a spec that is good otherwise.
fn at<const N: usize>(kind: Kind, field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    let specs = bad.map(|(what, value, words)| {
        let mut spec = base(kind, field);
        let path: Vec<_> = field.split('.').skip(1).collect();
        put(&mut spec, &path, value);
        Bad { kind, field, what, spec, words }
    });
    specs.into()
}

/// Specs in which fields do not go together; `spec` is written over what is good.
fn with<const N: usize>(kind: Kind, field: &'static str, bad: [(&'static str, Value, &'static str); N]) -> Vec<Bad> {
    let specs = bad.map(|(what, more, words)| {
        let mut spec = base(kind, "spec");
        more.as_object().into_iter().flatten().for_each(|(key, value)| spec[key] = value.clone());
        Bad { kind, field, what, spec, words }
    });
    specs.into()
}

/// A good spec that has all that the field is within.
fn base(kind: Kind, field: &str) -> Value {
    let bases = match kind {
        Kind::SecureParameter => vec![
            ("spec.dataFrom[].", json!({"dataFrom": [{"parameter": "/a", "format": "JSON"}]})),
            ("spec.restart[].selector", json!({"restart": [{"kind": "Deployment", "selector": selector()}]})),
            ("spec.restart[].", json!({"restart": [{"kind": "Deployment", "name": "web"}]})),
            ("spec.target.template", json!({"target": {"template": {"data": {"A": "x"}}}})),
            ("spec", json!({"data": [{"key": "KEY", "parameter": "/shop/key"}]})),
        ],
        Kind::ClusterParameterStore => vec![
            ("spec.access[].namespaces.selector", access(&json!({"from": "Selector", "selector": selector()}))),
            ("spec.access[].namespaces.names", access(&json!({"from": "Names", "names": ["shop"]}))),
            ("spec.access[].", access(&json!({"from": "All"}))),
            ("spec.identity.sessionPolicy", json!({"identity": {}})),
            (
                "spec.identity.assumeRoles[].",
                json!({"identity": {"assumeRoles": [{"roleARN": "arn:aws:iam::111122223333:role/reader"}]}}),
            ),
            (
                "spec.identity.serviceAccountRef.",
                json!({"identity": {"serviceAccountRef": {"name": "reader", "namespace": "infra"}}}),
            ),
            ("spec.identity.", json!({"identity": {"credentialsSecretRef": {"name": "aws", "namespace": "shop"}}})),
            ("spec.endpoints.", json!({"endpoints": {}})),
            ("spec", json!({})),
        ],
        Kind::ParameterStore => {
            let secret = json!({"name": "aws"});
            let role = json!([{"roleARN": "arn:aws:iam::111122223333:role/reader"}]);
            vec![
                (
                    "spec.identity.assumeRoles[].",
                    json!({"identity": {"credentialsSecretRef": secret, "assumeRoles": role}}),
                ),
                ("spec.identity.serviceAccountRef.", json!({"identity": {"serviceAccountRef": {"name": "reader"}}})),
                ("spec", json!({"identity": {"credentialsSecretRef": secret}})),
            ]
        }
    };
    let mut spec = json!({});
    let narrowest = bases.iter().find(|(prefix, _)| field.starts_with(prefix));
    for (_, more) in bases.last().into_iter().chain(narrowest) {
        more.as_object().into_iter().flatten().for_each(|(key, value)| spec[key] = value.clone());
    }
    spec
}

fn selector() -> Value {
    json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front"]}]})
}

fn access(namespaces: &Value) -> Value {
    json!({"access": [{"name": "rule", "namespaces": namespaces, "parameters": ["/shop/*"]}]})
}

/// Writes a value where the path leads: `name[]` is the first of a list.
fn put(place: &mut Value, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        *place = value;
        return;
    };
    let inner = match first.strip_suffix("[]") {
        Some(name) => &mut place[name][0],
        None => &mut place[*first],
    };
    put(inner, rest, value);
}

/// So many entries of a map.
fn entries(count: usize) -> Value {
    (0..count).map(|n| (format!("key-{n}"), json!("x"))).collect::<serde_json::Map<_, _>>().into()
}

fn manifest(kind: Kind, spec: &Value) -> Value {
    let metadata = match kind {
        Kind::ClusterParameterStore => json!({"name": "bad"}),
        Kind::SecureParameter | Kind::ParameterStore => json!({"name": "bad", "namespace": "shop"}),
    };
    let kind = format!("{kind:?}");
    json!({"apiVersion": "secureparameter.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

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
    plane.kubectl_stdin(["apply", "--dry-run=server", "-o", "json", "-f", "-"], &manifest.to_string()).await
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason() -> Result<()> {
    let plane = plane().await?;
    let manifests = bad_manifests();
    let refusals = stream::iter(&manifests).map(|bad| refused(&plane, bad)).buffer_unordered(4);
    let refusals: Vec<Result<()>> = refusals.collect().await;
    let problems: Vec<_> = refusals.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(problems.is_empty(), "{} of {}:\n{}", problems.len(), manifests.len(), problems.join("\n"));
    Ok(())
}

async fn refused(plane: &ControlPlane, bad: &Bad) -> Result<()> {
    let Bad { kind, field, what, spec, words } = bad;
    let Err(error) = dry_run(plane, &manifest(*kind, spec)).await else {
        bail!("{kind:?} {field}: {what} was accepted");
    };
    let message = format!("{error:#}");
    ensure!(message.contains(words), "{kind:?} {field}: {what}: the message lacks {words:?}: {message}");
    let riddle = RIDDLES.iter().find(|riddle| message.contains(**riddle));
    ensure!(riddle.is_none(), "{kind:?} {field}: {what}: the message has {riddle:?}: {message}");
    Ok(())
}

#[tokio::test]
async fn what_is_right_is_accepted() -> Result<()> {
    let plane = plane().await?;
    let manifests = good::manifests();
    let accepted = stream::iter(&manifests).map(|(kind, spec)| {
        let (plane, manifest) = (&plane, manifest(*kind, spec));
        async move { dry_run(plane, &manifest).await }
    });
    accepted.buffer_unordered(4).try_collect::<Vec<_>>().await?;
    Ok(())
}

#[tokio::test]
async fn status_is_not_for_users_to_set() -> Result<()> {
    let plane = plane().await?;
    let mut object = object("status", &[("KEY", "/shop/key")], &json!({}));
    object["status"] = json!({"parameterCount": 7});
    let applied: Value = serde_json::from_str(&dry_run(&plane, &object).await?)?;
    ensure!(applied["status"].get("parameterCount").is_none(), "the status was taken: {applied}");
    // Without a word of the operator, nobody is to take it for ready.
    let ready = &applied["status"]["conditions"][0];
    ensure!((&ready["type"], &ready["status"]) == (&json!("Ready"), &json!("Unknown")), "{applied}");
    object["status"] = json!({"synced": true});
    let Err(error) = dry_run(&plane, &object).await else { bail!("an unknown field of the status was accepted") };
    ensure!(format!("{error:#}").contains("unknown field \"status.synced\""), "{error:#}");
    Ok(())
}
