//! How often STS is asked, and how many sessions a store may have.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, PostParams},
};
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::{add_role, arn, namespaces::shows_sessions, sessions_of, sts_calls, within};
use crate::support::{PATIENCE, World, fails, ready, says, store, tenant::put_for_tenant};

const NAMESPACES: usize = 50;
/// Objects of each namespace.
const OBJECTS: usize = 20;

/// A world with a role `many-<namespace>` and a parameter for each of these namespaces.
async fn world(namespaces: &[String]) -> Result<World> {
    let world = World::without_operator().await?;
    let identity = json!({"assumeRoles": [{"roleARN": arn("many-{namespace}")}]});
    world.apply(&store("default", &json!({"identity": identity, "quota": {"requestsPerSecond": 1000}}))).await?;
    let mut manifests: Vec<Value> = Vec::new();
    for namespace in namespaces {
        add_role(&world.aws, &format!("many-{namespace}"));
        put_for_tenant(&world, &format!("/{namespace}/a"), "value");
        manifests.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
    }
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": manifests})).await?;
    Ok(world)
}

/// Creates these objects, which read the parameter of their namespace.
pub async fn create(world: &World, objects: impl Iterator<Item = (String, Value)>) -> Result<()> {
    let created = stream::iter(objects).map(async |(namespace, manifest)| -> Result<()> {
        let object: SecureParameter = serde_json::from_value(within(manifest, &namespace))?;
        Api::namespaced(world.client.clone(), &namespace).create(&PostParams::default(), &object).await?;
        Ok(())
    });
    created.buffer_unordered(16).try_collect().await
}

fn reading(world: &World, name: &str, namespace: &str) -> (String, Value) {
    (namespace.to_owned(), world.object(name, &[("A", &format!("/{namespace}/a"))], &json!({})))
}

#[tokio::test]
async fn a_thousand_objects_in_fifty_namespaces_cost_at_most_51_calls() -> Result<()> {
    let namespaces: Vec<_> = (0..NAMESPACES).map(|number| format!("team-{number}")).collect();
    let mut world = world(&namespaces).await?;
    let objects = namespaces.iter().flat_map(|namespace| (0..OBJECTS).map(move |number| (namespace, number)));
    let objects: Vec<_> =
        objects.map(|(namespace, number)| reading(&world, &format!("object-{number}"), namespace)).collect();
    create(&world, objects.into_iter()).await?;
    world.start_operator().await?;
    let objects: Api<SecureParameter> = Api::all(world.client.clone());
    eventually("all objects to be in sync", 3 * PATIENCE, async || {
        let objects = objects.list(&ListParams::default()).await?.items;
        let is_synced = |object: &SecureParameter| ready(object).is_some_and(|ready| ready.reason == "Synced");
        Ok((objects.len() == NAMESPACES * OBJECTS && objects.iter().all(is_synced)).then_some(()))
    })
    .await?;
    let cold = sts_calls(&world.aws);
    ensure!((NAMESPACES..=NAMESPACES + 1).contains(&cold), "{cold} calls of STS");
    // Two checks of all parameters later.
    let checks = world.aws.calls("GetParameters") + 2 * NAMESPACES;
    eventually("two checks", PATIENCE, async || Ok((world.aws.calls("GetParameters") >= checks).then_some(()))).await?;
    assert_eq!(sts_calls(&world.aws), cold);
    Ok(())
}

/// A store with sessions for at most two of three namespaces, which all want one at once.
#[tokio::test]
async fn sessions_are_bounded_and_end_with_their_last_object() -> Result<()> {
    let names = ["one", "two", "three"];
    let mut world = world(&names.map(str::to_owned)).await?;
    world.set_arguments(&["--max-sessions-per-store", "2"]);
    world.aws.set_session_lifetime(Some(Duration::from_secs(50)));
    create(&world, names.map(|namespace| reading(&world, "checkout", namespace)).into_iter()).await?;
    world.start_operator().await?;
    let refused = one_is_refused(&world).await?;
    shows_sessions(&world, "default", 2).await?;

    // The session of another one ends with its object, which makes room.
    let others: Vec<_> = names.into_iter().filter(|namespace| *namespace != refused).collect();
    let [ended, stays] = others[..] else { anyhow::bail!("{refused}") };
    let objects: Api<SecureParameter> = Api::namespaced(world.client.clone(), ended);
    objects.delete("checkout", &DeleteParams::default()).await?;
    world.namespace = refused;
    world.synced("checkout").await?;
    // The session that stays is renewed before it ends, and the one that ended is not.
    let asked = |namespace: &str| sessions_of(&world.aws, &arn(&format!("many-{namespace}"))).len();
    eventually("a renewal", PATIENCE, async || Ok((asked(stays) > 1).then_some(()))).await?;
    assert_eq!(asked(ended), 1);
    // Who comes back finds no room.
    create(&world, std::iter::once(reading(&world, "again", ended))).await?;
    ended.clone_into(&mut world.namespace);
    fails(&world, "again", "StoreNotReady", "Reconciling", &["--max-sessions-per-store"]).await.map(drop)
}

/// Waits until two namespaces have a session, and one has to wait. Returns that one.
async fn one_is_refused(world: &World) -> Result<String> {
    let objects: Api<SecureParameter> = Api::all(world.client.clone());
    eventually("two namespaces with a session and one without", PATIENCE, async || {
        let objects = objects.list(&ListParams::default()).await?.items;
        let with = |reason: &str| -> Vec<_> {
            objects.iter().filter(|object| ready(object).is_some_and(|ready| ready.reason == reason)).collect()
        };
        let [waiting] = with("StoreNotReady")[..] else { return Ok(None) };
        says(waiting, &["2 namespaces", "--max-sessions-per-store"])?;
        Ok((with("Synced").len() == 2).then(|| waiting.namespace().unwrap_or_default()))
    })
    .await
}
