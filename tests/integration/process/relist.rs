//! Watches that expire: they start over with a list, and what happened meanwhile comes with it.

use anyhow::{Context, Result};
use futures::{TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use secure_parameter_operator::api::SecureParameter;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{Operator, PATIENCE, Proxy, World, store};

/// More than two pages of 500, kube's default, and more than ten of ours.
const MANY: usize = 1_001;
/// Writes of the test at the same time.
const AT_ONCE: usize = 32;

/// The beginning of names that come last in a list: those that change come with its first page.
const FILLER: &str = "z-filler";

#[tokio::test]
async fn changes_that_come_with_a_list_of_many_pages_take_effect() -> Result<()> {
    let world = World::without_operator().await?;
    world.apply(&store("default", &json!({"access": [access()]}))).await?;
    for team in ["granted", "revoked", "late"] {
        world.aws.put(&format!("/{team}/db"), "value");
    }
    create_many(&world).await?;
    for (namespace, labels) in
        [("granted", json!({})), ("revoked", json!({"team": "payments"})), ("late", json!({"team": "payments"}))]
    {
        create::<Namespace>(&Api::all(world.client.clone()), &namespace_manifest(namespace, &labels)).await?;
    }
    let objects = |namespace: &str| Api::<SecureParameter>::namespaced(world.client.clone(), namespace);
    for namespace in ["granted", "revoked"] {
        create(&objects(namespace), &object("checkout", namespace, false)).await?;
    }
    for name in ["deleted", "resumed"] {
        create(&objects("late"), &object(name, "late", true)).await?;
    }
    let (granted, revoked, late) = (objects("granted"), objects("revoked"), objects("late"));
    let everything: Api<SecureParameter> = Api::all(world.client.clone());
    let proxy = Proxy::start(&world.plane, &["namespaces", "secureparameters"]).await?;
    let (environment, folder) = (world.aws.environment(), world.plane.folder());
    let operator = Operator::start(proxy.kubeconfig(), &environment, &[], folder, 1)?;
    operator.ready().await?;
    eventually("all objects to be reported", PATIENCE, async || {
        let list = everything.list(&ListParams::default()).await?.items;
        Ok((list.len() > MANY && list.iter().all(|object| reason(object).is_some())).then_some(()))
    })
    .await?;
    is(&granted, "checkout", "PolicyDenied").await?;
    is(&revoked, "checkout", "Synced").await?;

    // The operator does not see what happens from now on.
    proxy.interrupt();
    label(&world, "granted", &json!({"team": "payments"})).await?;
    label(&world, "revoked", &json!({"team": null})).await?;
    late.delete("deleted", &DeleteParams::default()).await?;
    let resume = Patch::Merge(json!({"spec": {"suspend": false}}));
    late.patch("resumed", &PatchParams::default(), &resume).await?;
    create(&late, &object("created", "late", false)).await?;
    proxy.expire();

    is(&granted, "checkout", "Synced").await?;
    is(&revoked, "checkout", "PolicyDenied").await?;
    is(&late, "resumed", "Synced").await?;
    is(&late, "created", "Synced").await?;
    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), "late");
    assert!(secrets.get_opt("created").await?.is_some());
    let log = operator.log()?;
    for watch in ["namespaces", "secureparameters"] {
        assert!(log.contains(&format!("The watch of {watch} failed (error returned by apiserver")), "{log}");
    }
    Ok(())
}

/// Grants each namespace of the team the parameters below its own name.
fn access() -> Value {
    let namespaces = json!({"from": "Selector", "selector": {"matchLabels": {"team": "payments"}}});
    json!({"name": "team", "namespaces": namespaces, "parameters": ["/{namespace}/**"]})
}

/// Creates namespaces and suspended objects that nothing happens to.
async fn create_many(world: &World) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let objects = world.api::<SecureParameter>();
    stream::iter((0..MANY).map(Ok))
        .try_for_each_concurrent(AT_ONCE, async |n| {
            let name = format!("{FILLER}-{n}");
            create(&namespaces, &namespace_manifest(&name, &json!({}))).await?;
            create(&objects, &object(&name, &world.namespace, true)).await
        })
        .await
}

async fn create<K>(api: &Api<K>, manifest: &Value) -> Result<()>
where
    K: Clone + DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    api.create(&PostParams::default(), &serde_json::from_value(manifest.clone())?).await?;
    Ok(())
}

fn namespace_manifest(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// An object that does not poll, so that only a watch can have noticed a change.
fn object(name: &str, namespace: &str, suspend: bool) -> Value {
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "SecureParameter",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "refreshInterval": "0s",
            "suspend": suspend,
            "data": [{"key": "DB", "parameter": format!("/{namespace}/db")}],
        },
    })
}

async fn label(world: &World, namespace: &str, labels: &Value) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(world.client.clone());
    let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
    namespaces.patch(namespace, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// The reason that the object shows for its newest generation.
fn reason(object: &SecureParameter) -> Option<&str> {
    let status = object.status.as_ref()?;
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready")?;
    (status.observed_generation == object.metadata.generation).then_some(ready.reason.as_str())
}

async fn is(api: &Api<SecureParameter>, name: &str, expected: &str) -> Result<()> {
    let mut last = String::new();
    eventually(&format!("{name} to be {expected}"), PATIENCE, async || {
        let object = api.get(name).await?;
        last = format!("{:?}", object.status);
        Ok((reason(&object) == Some(expected)).then_some(()))
    })
    .await
    .with_context(|| format!("last seen: {last}"))
}
