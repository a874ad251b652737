//! Who owns a Secret: foreign Secrets are never changed, the current owner wins, a retained Secret returns to its owner.

use anyhow::{Context, Result};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{
    ResourceExt,
    api::{DeleteParams, PostParams},
};
use secure_parameter_operator::api::{SecureParameter, names};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{Group, PATIENCE, World, message, object};

/// An object that does not poll, so that only a watch can have noticed a change.
fn unpolled(world: &World, name: &str, target: &Value) -> Value {
    world.object(name, &[("KEY", &world.path("key"))], &json!({"refreshInterval": "0s", "target": target}))
}

/// A namespace with a parameter, in the shared world.
async fn shared(namespace: &str) -> Result<World> {
    let world = World::shared(Group::Secrets, namespace).await?;
    world.aws.put(&world.path("key"), "value");
    Ok(world)
}

fn foreign(name: &str) -> Result<Secret> {
    Ok(serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {"THEIRS": "kept"}}))?)
}

async fn delete(world: &World, name: &str) -> Result<()> {
    world.api::<SecureParameter>().delete(name, &DeleteParams::default()).await?;
    Ok(())
}

async fn wait_until_deleted(world: &World, secret: &str) -> Result<()> {
    eventually("the Secret to be deleted", PATIENCE, async || Ok(world.secret(secret).await?.is_none().then_some(())))
        .await
}

#[tokio::test]
async fn a_foreign_secret_is_not_changed_until_it_consents_or_is_deleted() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/key", "value");
    let secrets = world.api::<Secret>();
    for name in ["consents", "deleted"] {
        let before = secrets.create(&PostParams::default(), &foreign(name)?).await?;
        world.apply(&unpolled(&world, name, &json!({}))).await?;
        let refused = world.wait_for(name, "False", "SecretConflict").await?;
        let message = &refused.status.context("a status")?.conditions[0].message;
        assert!(message.contains(&format!("{}=shop/{name}", names::ALLOW_ANNOTATION)), "{message}");
        assert_eq!(secrets.get(name).await?.resource_version(), before.resource_version(), "the Secret is unchanged");
    }
    // The first sync finds the conflict by its write. After that nothing is decrypted for the object.
    assert_eq!(world.aws.decrypts(), 2);
    let before = refused(&world).await?;
    world.plane.kubectl(["-n", "shop", "annotate", "secureparameters", "--all", "secureparameter.io/sync=now"]).await?;
    eventually("both to be refused again", PATIENCE, async || Ok((refused(&world).await? >= before + 2).then_some(())))
        .await?;
    assert_eq!(world.aws.decrypts(), 2);

    let consent = format!("{}=shop/consents", names::ALLOW_ANNOTATION);
    world.plane.kubectl(["-n", "shop", "annotate", "secret", "consents", &consent]).await?;
    world.wait_for_secret("consents", &[("KEY", "value")]).await?;
    world.synced("consents").await?;
    secrets.delete("deleted", &DeleteParams::default()).await?;
    world.wait_for_secret("deleted", &[("KEY", "value")]).await?;
    world.synced("deleted").await?;
    Ok(())
}

/// How many reconciles ended with `SecretConflict`.
async fn refused(world: &World) -> Result<usize> {
    let (_, page) = world.operator().get("/metrics").await?;
    let prefix = "secureparameter_reconciles_total{kind=\"SecureParameter\",reason=\"SecretConflict\"} ";
    let count = page.lines().find_map(|line| line.strip_prefix(prefix));
    count.map_or(Ok(0), |count| Ok(count.parse()?))
}

#[tokio::test]
async fn the_current_owner_keeps_a_secret_that_another_object_names() -> Result<()> {
    let world = shared("rivals").await?;
    world.apply(&unpolled(&world, "holder", &json!({"name": "shared"}))).await?;
    world.synced("holder").await?;
    world.apply(&unpolled(&world, "rival", &json!({"name": "shared"}))).await?;
    let refused = world.wait_for("rival", "False", "SecretConflict").await?;
    assert!(refused.status.context("a status")?.conditions[0].message.contains("SecureParameter holder"));
    delete(&world, "holder").await?;
    world.synced("rival").await?;
    let secret = world.api::<Secret>().get("shared").await?;
    assert_eq!(secret.annotations().get(names::OWNER_ANNOTATION).map(String::as_str), Some("rival"));
    Ok(())
}

#[tokio::test]
async fn the_older_object_gets_a_secret_that_does_not_exist_yet() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.aws.put("/shop/key", "value");
    // The older object cannot be synced yet, so the younger one would be first if it were allowed to write.
    world.apply(&object("elder", &[("KEY", "/shop/absent")], &json!({"target": {"name": "shared"}}))).await?;
    let created = world.api::<SecureParameter>().get("elder").await?.creation_timestamp().context("a time")?;
    eventually("the next second", PATIENCE, async || {
        Ok((Timestamp::now().as_second() > created.0.as_second()).then_some(()))
    })
    .await?;
    world.apply(&unpolled(&world, "younger", &json!({"name": "shared"}))).await?;
    world.start_operator().await?;
    let refused = world.wait_for("younger", "False", "SecretConflict").await?;
    assert!(message(&refused).contains("SecureParameter elder"), "{}", message(&refused));
    assert!(world.secret("shared").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn the_reclaim_policy_deletes_or_retains_the_secret() -> Result<()> {
    let world = shared("reclaim").await?;
    world.apply(&unpolled(&world, "deleted", &json!({}))).await?;
    world.apply(&unpolled(&world, "retained", &json!({"reclaimPolicy": "Retain"}))).await?;
    world.synced("deleted").await?;
    world.synced("retained").await?;
    let secrets = world.api::<Secret>();
    let retained = secrets.get("retained").await?;
    assert!(retained.owner_references().is_empty());
    delete(&world, "retained").await?;
    delete(&world, "deleted").await?;
    wait_until_deleted(&world, "deleted").await?;
    assert_eq!(secrets.get("retained").await?.uid(), retained.uid());

    // A new object of the same name adopts the retained Secret; an object of another name does not.
    world.apply(&unpolled(&world, "stranger", &json!({"name": "retained"}))).await?;
    world.wait_for("stranger", "False", "SecretConflict").await?;
    world.apply(&unpolled(&world, "retained", &json!({}))).await?;
    world.synced("retained").await?;
    let adopted = secrets.get("retained").await?;
    assert_eq!((adopted.uid(), adopted.owner_references().len()), (retained.uid(), 1));
    Ok(())
}

#[tokio::test]
async fn a_renamed_target_deletes_or_releases_the_previous_secret() -> Result<()> {
    let world = shared("renamed").await?;
    world.apply(&unpolled(&world, "checkout", &json!({"name": "one"}))).await?;
    world.synced("checkout").await?;
    world.apply(&unpolled(&world, "checkout", &json!({"name": "two"}))).await?;
    world.wait_for_secret("two", &[("KEY", "value")]).await?;
    wait_until_deleted(&world, "one").await?;
    world.synced("checkout").await?;

    world.apply(&unpolled(&world, "checkout", &json!({"name": "three", "reclaimPolicy": "Retain"}))).await?;
    world.wait_for_secret("three", &[("KEY", "value")]).await?;
    world.synced("checkout").await?;
    let released = world.api::<Secret>().get("two").await?;
    assert!(!released.labels().contains_key(names::OWNER_UID_LABEL) && released.owner_references().is_empty());
    Ok(())
}
