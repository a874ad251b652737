//! Sessions that end, are revoked, or cannot be renewed, in the middle of a run with 200 objects.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;
use kube::{Api, ResourceExt, api::ListParams};
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::{
    fake_aws::{Fault, Role},
    wait::eventually,
};

use super::{add_role, arn, budget::create, sessions_of, watched::Departures};
use crate::support::{
    PATIENCE, World, has_ready, ready, says, store,
    tenant::{TENANT, put_for_tenant},
};

const NAMESPACES: [&str; 4] = ["north", "east", "south", "west"];
/// Objects of each namespace.
const OBJECTS: usize = 50;
/// How old credentials must be to be replaced when AWS refuses them.
const MATURE: Duration = Duration::from_secs(11);

fn role(namespace: &str) -> String {
    arn(&format!("mortal-{namespace}"))
}

/// A world with 200 objects in sync, each namespace in a session of a role of its own that lasts this long.
async fn world(lifetime: Option<Duration>) -> Result<World> {
    let mut world = World::without_operator().await?;
    world.aws.set_session_lifetime(lifetime);
    let identity = json!({"assumeRoles": [{"roleARN": arn("mortal-{namespace}")}]});
    world.apply(&store("default", &json!({"identity": identity, "quota": {"requestsPerSecond": 1000}}))).await?;
    let mut objects: Vec<(String, Value)> = Vec::new();
    for namespace in NAMESPACES {
        add_role(&world.aws, &format!("mortal-{namespace}"));
        world.plane.kubectl(["create", "namespace", namespace]).await?;
        for number in 0..OBJECTS {
            let parameter = format!("/{namespace}/{}", number % 10);
            put_for_tenant(&world, &parameter, "value");
            let manifest = world.object(&format!("object-{number}"), &[("A", &parameter)], &json!({}));
            objects.push((namespace.to_owned(), manifest));
        }
    }
    create(&world, objects.into_iter()).await?;
    world.start_operator().await?;
    all(&world, &NAMESPACES, "True", "Synced").await?;
    let begun = sessions_of(&world.aws, &role("north"))[0]["eventTime"].as_str().unwrap_or_default().to_owned();
    let begun: Timestamp = begun.parse()?;
    eventually("sessions that can be replaced", PATIENCE, async || {
        Ok((Duration::try_from(Timestamp::now() - begun)? > MATURE).then_some(()))
    })
    .await?;
    Ok(world)
}

/// Waits until all objects of these namespaces have this Ready status and reason. Returns them.
async fn all(world: &World, namespaces: &[&str], status: &str, reason: &str) -> Result<Vec<SecureParameter>> {
    let objects: Api<SecureParameter> = Api::all(world.client.clone());
    let (mut other, what) = (String::new(), format!("all objects of {namespaces:?} to be {status} {reason}"));
    let waited = eventually(&what, PATIENCE, async || {
        let mut objects = objects.list(&ListParams::default()).await?.items;
        objects.retain(|object| namespaces.contains(&object.namespace().unwrap_or_default().as_str()));
        let has = |object: &SecureParameter| ready(object).is_some_and(|ready| has_ready(ready, status, reason));
        other =
            objects.iter().find(|object| !has(object)).map(|object| format!("{:?}", ready(object))).unwrap_or_default();
        Ok(other.is_empty().then_some(objects))
    })
    .await;
    waited.map_err(|error| error.context(other))
}

/// How many sessions of a namespace were asked for.
fn asked(world: &World, namespace: &str) -> usize {
    sessions_of(&world.aws, &role(namespace)).len()
}

/// Reports whether a record is of a read that succeeded in a session of this namespace.
fn is_read_of(record: &Value, namespace: &str) -> bool {
    let arn = record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"].as_str();
    record["eventName"] == "GetParameters" && record.get("errorCode").is_none() && arn == Some(&role(namespace))
}

/// Waits until these namespaces have read with a session that was not there before.
async fn renewed(world: &World, namespaces: &[&str], before: &[Value]) -> Result<()> {
    eventually("reads in new sessions", PATIENCE, async || {
        let news = world.aws.records().split_off(before.len());
        let keys: Vec<_> = before.iter().map(|record| &record["userIdentity"]["accessKeyId"]).collect();
        let is_new = |record: &Value| !keys.contains(&&record["userIdentity"]["accessKeyId"]);
        let reads = |namespace: &&str| news.iter().any(|record| is_read_of(record, namespace) && is_new(record));
        Ok(namespaces.iter().all(reads).then_some(()))
    })
    .await
}

/// Sessions end, are revoked, and cannot be renewed for a while: no object notices.
#[tokio::test]
async fn objects_stay_ready_while_new_sessions_can_be_had() -> Result<()> {
    let world = world(Some(Duration::from_secs(75))).await?;
    let departures = Departures::of(&world);
    let (before, counts) = (world.aws.records(), [asked(&world, "north"), asked(&world, "east")]);
    world.aws.expire_sessions(&role("north"));
    world.aws.revoke_sessions(&role("east"));
    // From 60 s on sessions are renewed; they last for 75 s.
    world.aws.fault_role(&role("south"), Fault::Internal, usize::MAX);
    world.aws.fault_role(&role("west"), Fault::Reset, usize::MAX);
    renewed(&world, &["north", "east"], &before).await?;
    assert_eq!(
        [asked(&world, "north"), asked(&world, "east")],
        counts.map(|count| count + 1),
        "each is fetched anew once"
    );
    eventually("two warnings about renewals", PATIENCE, async || {
        let warnings = world.operator().log()?.matches("could not renew the AWS credentials").count();
        Ok((warnings >= 2).then_some(()))
    })
    .await?;
    // Until they end they are used.
    let before = world.aws.records().len();
    eventually("reads in sessions that could not be renewed", PATIENCE, async || {
        let news = world.aws.records().split_off(before);
        Ok(["south", "west"].iter().all(|namespace| news.iter().any(|read| is_read_of(read, namespace))).then_some(()))
    })
    .await?;
    all(&world, &NAMESPACES, "True", "Synced").await?;
    let before = world.aws.records();
    world.aws.clear_faults();
    renewed(&world, &["south", "west"], &before).await?;
    all(&world, &NAMESPACES, "True", "Synced").await?;
    departures.none()
}

/// No new sessions can be had: the reason is that of the refusal, and everything recovers by itself.
#[tokio::test]
async fn the_reason_is_right_once_nothing_is_valid() -> Result<()> {
    let world = world(None).await?;
    let departures = Departures::of(&world);
    // STS is out of order for one. The Secrets are good, so the objects stay Ready and say why reads fail.
    world.aws.fault_role(&role("north"), Fault::Unavailable, usize::MAX);
    world.aws.expire_sessions(&role("north"));
    // The operator's own keys are not valid any more when another one needs a new session.
    let own = world.aws.default_identity();
    world.aws.expire(&own.access_key_id);
    world.aws.expire_sessions(&role("east"));
    for object in all(&world, &["east"], "True", "CredentialsInvalid").await? {
        says(&object, &["ExpiredToken", "renew them"])?;
    }
    all(&world, &["north"], "True", "ServiceUnavailable").await?;
    world.aws.add_identity(own);
    world.aws.clear_faults();
    all(&world, &["north", "east"], "True", "Synced").await?;
    all(&world, &["south", "west"], "True", "Synced").await?;
    departures.none()?;

    // Nobody may assume the role of a third any more.
    world.aws.add_role(Role { trusted: Vec::new(), ..Role::new(TENANT, "mortal-south") });
    world.aws.expire_sessions(&role("south"));
    let before = world.aws.calls("AssumeRole");
    for object in all(&world, &["south"], "False", "AccessDenied").await? {
        says(&object, &["sts:AssumeRole", &role("south"), "trust policy of the role"])?;
    }
    let calls = world.aws.calls("AssumeRole") - before;
    ensure!(calls < 10, "STS was asked {calls} times for one session");
    add_role(&world.aws, "mortal-south");
    all(&world, &NAMESPACES, "True", "Synced").await.map(drop)
}
