//! Whose Secret it is: foreign ones are never changed, holders win, retained ones come back to their owner.

use anyhow::{Context, Result};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{
    ResourceExt,
    api::{DeleteParams, PostParams},
};
use secure_parameter_operator::api::{SecureParameter, names};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, message, object};

/// No polling: whatever happens, a watch has noticed.
fn unpolled(name: &str, target: &Value) -> Value {
    object(name, &[("KEY", "/shop/key")], &json!({"refreshInterval": "0s", "target": target}))
}

async fn world() -> Result<World> {
    let world = World::start().await?;
    world.aws.put("/shop/key", "value");
    Ok(world)
}

fn foreign(name: &str) -> Result<Secret> {
    Ok(serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {"THEIRS": "kept"}}))?)
}

async fn delete(world: &World, name: &str) -> Result<()> {
    world.api::<SecureParameter>().delete(name, &DeleteParams::default()).await?;
    Ok(())
}

async fn gone(world: &World, secret: &str) -> Result<()> {
    eventually("the Secret to go", PATIENCE, async || Ok(world.secret(secret).await?.is_none().then_some(()))).await
}

#[tokio::test]
async fn a_foreign_secret_is_left_alone_until_it_consents_or_goes() -> Result<()> {
    let world = world().await?;
    let secrets = world.api::<Secret>();
    for name in ["consents", "goes"] {
        let before = secrets.create(&PostParams::default(), &foreign(name)?).await?;
        world.apply(&unpolled(name, &json!({}))).await?;
        let refused = world.wait_for(name, "False", "SecretConflict").await?;
        let message = &refused.status.context("a status")?.conditions[0].message;
        assert!(message.contains(&format!("{}=shop/{name}", names::ALLOW_ANNOTATION)), "{message}");
        assert_eq!(secrets.get(name).await?.resource_version(), before.resource_version(), "not touched");
    }
    // That a place is taken the first sync learns by its write; from then on nothing is decrypted for it.
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
    secrets.delete("goes", &DeleteParams::default()).await?;
    world.wait_for_secret("goes", &[("KEY", "value")]).await?;
    world.synced("goes").await?;
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
async fn of_two_objects_the_holder_wins() -> Result<()> {
    let world = world().await?;
    world.apply(&unpolled("holder", &json!({"name": "shared"}))).await?;
    world.synced("holder").await?;
    world.apply(&unpolled("rival", &json!({"name": "shared"}))).await?;
    let refused = world.wait_for("rival", "False", "SecretConflict").await?;
    assert!(refused.status.context("a status")?.conditions[0].message.contains("SecureParameter holder"));
    delete(&world, "holder").await?;
    world.synced("rival").await?;
    let secret = world.api::<Secret>().get("shared").await?;
    assert_eq!(secret.annotations().get(names::OWNER_ANNOTATION).map(String::as_str), Some("rival"));
    Ok(())
}

#[tokio::test]
async fn while_there_is_no_secret_the_oldest_gets_it() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.aws.put("/shop/key", "value");
    // It cannot be synced yet, so the other would come first if it might.
    world.apply(&object("elder", &[("KEY", "/shop/absent")], &json!({"target": {"name": "shared"}}))).await?;
    let made = world.api::<SecureParameter>().get("elder").await?.creation_timestamp().context("a time")?;
    eventually("the next second", PATIENCE, async || {
        Ok((Timestamp::now().as_second() > made.0.as_second()).then_some(()))
    })
    .await?;
    world.apply(&unpolled("younger", &json!({"name": "shared"}))).await?;
    world.start_operator().await?;
    let refused = world.wait_for("younger", "False", "SecretConflict").await?;
    assert!(message(&refused).contains("SecureParameter elder"), "{}", message(&refused));
    assert!(world.secret("shared").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn reclaiming_deletes_or_retains() -> Result<()> {
    let world = world().await?;
    world.apply(&unpolled("deleted", &json!({}))).await?;
    world.apply(&unpolled("retained", &json!({"reclaimPolicy": "Retain"}))).await?;
    world.synced("deleted").await?;
    world.synced("retained").await?;
    let secrets = world.api::<Secret>();
    let retained = secrets.get("retained").await?;
    assert!(retained.owner_references().is_empty());
    delete(&world, "retained").await?;
    delete(&world, "deleted").await?;
    gone(&world, "deleted").await?;
    assert_eq!(secrets.get("retained").await?.uid(), retained.uid());

    // An object of that name takes it over again; one of another name does not.
    world.apply(&unpolled("stranger", &json!({"name": "retained"}))).await?;
    world.wait_for("stranger", "False", "SecretConflict").await?;
    world.apply(&unpolled("retained", &json!({}))).await?;
    world.synced("retained").await?;
    let adopted = secrets.get("retained").await?;
    assert_eq!((adopted.uid(), adopted.owner_references().len()), (retained.uid(), 1));
    Ok(())
}

#[tokio::test]
async fn a_renamed_target_leaves_no_secret_behind() -> Result<()> {
    let world = world().await?;
    world.apply(&unpolled("checkout", &json!({"name": "one"}))).await?;
    world.synced("checkout").await?;
    world.apply(&unpolled("checkout", &json!({"name": "two"}))).await?;
    world.wait_for_secret("two", &[("KEY", "value")]).await?;
    gone(&world, "one").await?;
    world.synced("checkout").await?;

    world.apply(&unpolled("checkout", &json!({"name": "three", "reclaimPolicy": "Retain"}))).await?;
    world.wait_for_secret("three", &[("KEY", "value")]).await?;
    world.synced("checkout").await?;
    let released = world.api::<Secret>().get("two").await?;
    assert!(!released.labels().contains_key(names::OWNER_UID_LABEL) && released.owner_references().is_empty());
    Ok(())
}

#[tokio::test]
async fn another_type_means_another_secret() -> Result<()> {
    let world = world().await?;
    world.apply(&unpolled("checkout", &json!({}))).await?;
    world.synced("checkout").await?;
    let before = world.api::<Secret>().get("checkout").await?;
    world.apply(&unpolled("checkout", &json!({"type": "example.com/password"}))).await?;
    let after = eventually("the Secret to have its new type", PATIENCE, async || {
        let secret = world.api::<Secret>().get_opt("checkout").await?;
        Ok(secret.filter(|secret| secret.type_.as_deref() == Some("example.com/password")))
    })
    .await?;
    assert_ne!(before.uid(), after.uid());
    world.synced("checkout").await?;

    // A type that the API server would refuse costs nobody the Secret there is.
    world.apply(&unpolled("checkout", &json!({"type": "kubernetes.io/tls"}))).await?;
    world.wait_for("checkout", "False", "InvalidSpec").await?;
    assert_eq!(world.api::<Secret>().get("checkout").await?.uid(), after.uid());
    Ok(())
}

#[tokio::test]
async fn an_immutable_secret_is_made_anew_for_a_new_value() -> Result<()> {
    let world = world().await?;
    world.aws.put("/shop/key", "value");
    let spec =
        |immutable: bool| object("checkout", &[("KEY", "/shop/key")], &json!({"target": {"immutable": immutable}}));
    world.apply(&spec(true)).await?;
    world.synced("checkout").await?;
    let before = world.api::<Secret>().get("checkout").await?;
    assert_eq!(before.immutable, Some(true));
    world.aws.put("/shop/key", "newer");
    world.wait_for_secret("checkout", &[("KEY", "newer")]).await?;
    let after = world.api::<Secret>().get("checkout").await?;
    assert_eq!(after.immutable, Some(true));
    assert_ne!(before.uid(), after.uid());
    world.apply(&spec(false)).await?;
    eventually("the Secret to be mutable", PATIENCE, async || {
        let secret = world.api::<Secret>().get_opt("checkout").await?;
        Ok(secret.filter(|secret| secret.immutable.is_none()))
    })
    .await?;
    world.synced("checkout").await?;
    Ok(())
}

#[tokio::test]
async fn a_suspended_object_is_left_alone() -> Result<()> {
    let world = world().await?;
    let spec = |suspend: bool| object("checkout", &[("KEY", "/shop/key")], &json!({"suspend": suspend}));
    world.apply(&spec(true)).await?;
    let suspended = world.wait_for("checkout", "Unknown", "Suspended").await?;
    assert_eq!(suspended.status.context("a status")?.conditions.len(), 2);
    assert_eq!((world.secret("checkout").await?, world.aws.calls("GetParameters")), (None, 0));
    world.apply(&spec(false)).await?;
    world.synced("checkout").await?;

    world.apply(&spec(true)).await?;
    world
        .wait_until("checkout", "Suspended", |object| {
            object.status.as_ref().is_some_and(|status| status.conditions.iter().any(|c| c.type_ == "Suspended"))
        })
        .await?;
    let calls = world.aws.calls("GetParameters");
    world.aws.put("/shop/key", "changed");
    world.api::<Secret>().delete("checkout", &DeleteParams::default()).await?;
    world.synced("checkout").await.context("Ready stays as it was")?;
    assert_eq!(world.aws.calls("GetParameters"), calls);
    world.apply(&spec(false)).await?;
    world.wait_for_secret("checkout", &[("KEY", "changed")]).await?;
    Ok(())
}
