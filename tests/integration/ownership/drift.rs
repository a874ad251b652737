//! A Secret that somebody else changes or deletes is put right at once; what is theirs to change is left alone.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use secure_parameter_operator::api::names;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object};

/// An object that does not poll: whatever happens, a watch has noticed.
async fn world() -> Result<World> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.aws.put("/shop/b", "beta");
    let keys = [("A", "/shop/a"), ("B", "/shop/b")];
    let spec = json!({"refreshInterval": "0s", "target": {"labels": {"team": "shop"}}});
    world.apply(&object("checkout", &keys, &spec)).await?;
    world.synced("checkout").await?;
    Ok(world)
}

async fn edit(world: &World, patch: &Value) -> Result<Secret> {
    let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    Ok(world.api::<Secret>().patch("checkout", &params, &Patch::Merge(patch)).await?)
}

#[tokio::test]
async fn edits_are_undone() -> Result<()> {
    let world = world().await?;
    let whole = [("A", "alpha"), ("B", "beta")];
    for patch in [
        json!({"stringData": {"A": "tampered"}}),
        json!({"data": {"B": null}, "stringData": {"EXTRA": "foreign"}}),
        json!({"metadata": {"labels": {"team": "other", names::OWNER_UID_LABEL: null}, "ownerReferences": null}}),
    ] {
        let edited = edit(&world, &patch).await?;
        eventually("the Secret to be written again", PATIENCE, async || {
            let secret = world.api::<Secret>().get("checkout").await?;
            let restored = secret.resource_version() != edited.resource_version()
                && secret.labels().get("team").map(String::as_str) == Some("shop")
                && secret.labels().contains_key(names::OWNER_UID_LABEL)
                && secret.owner_references().len() == 1;
            Ok(restored.then_some(()))
        })
        .await?;
        world.wait_for_secret("checkout", &whole).await?;
    }
    let event = world.event("checkout", "Synced", &[]).await?;
    assert_eq!(event.action.as_deref(), Some("RestoreSecret"));
    Ok(())
}

#[tokio::test]
async fn a_deleted_secret_comes_back() -> Result<()> {
    let world = world().await?;
    let secrets = world.api::<Secret>();
    let before = secrets.get("checkout").await?.uid();
    secrets.delete("checkout", &DeleteParams::default()).await?;
    world.wait_for_secret("checkout", &[("A", "alpha"), ("B", "beta")]).await?;
    let after = secrets.get("checkout").await?.uid();
    assert_ne!(before, after);
    let object = world.wait_until("checkout", "the status to name the new Secret", |object| {
        object.status.as_ref().and_then(|status| status.secret.as_ref()).map(|secret| &secret.uid) == after.as_ref()
    });
    object.await?;
    Ok(())
}

#[tokio::test]
async fn labels_of_others_are_no_drift() -> Result<()> {
    let world = world().await?;
    let calls = world.aws.calls("GetParameters");
    let edited = edit(&world, &json!({"metadata": {"labels": {"theirs": "yes"}}})).await?;
    // A forced sync behind it: once that is done, the edit has been looked at.
    force(&world, "one").await?;
    let secret = world.api::<Secret>().get("checkout").await?;
    assert_eq!(secret.resource_version(), edited.resource_version(), "the same values, so nothing to write");
    assert_eq!(secret.labels().get("theirs").map(String::as_str), Some("yes"));
    assert_eq!(world.aws.calls("GetParameters"), calls + 1, "only the forced sync");
    Ok(())
}

#[tokio::test]
async fn a_fight_is_not_fought_for_ever() -> Result<()> {
    let world = world().await?;
    let mut rounds = 0;
    let contested = eventually("the operator to back off", PATIENCE, async || {
        rounds += 1;
        edit(&world, &json!({"stringData": {"A": format!("round-{rounds}")}})).await?;
        let api = world.api::<secure_parameter_operator::api::SecureParameter>();
        let ready = api.get("checkout").await?.status.and_then(|status| status.conditions.into_iter().next());
        Ok(ready.filter(|ready| ready.reason == "SecretContested"))
    })
    .await?;
    assert!(contested.message.contains("kubectl-edit"), "{}", contested.message);
    // Left in peace, the Secret is right in the end.
    world.wait_for_secret("checkout", &[("A", "alpha"), ("B", "beta")]).await?;
    world.synced("checkout").await?;
    Ok(())
}

#[tokio::test]
async fn a_sync_can_be_forced_and_is_echoed() -> Result<()> {
    let world = world().await?;
    world.aws.put("/shop/a", "newer");
    force(&world, "2026-11-24").await?;
    world.wait_for_secret("checkout", &[("A", "newer"), ("B", "beta")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_status_changed_by_hand_is_put_right() -> Result<()> {
    let world = world().await?;
    let api = world.api::<secure_parameter_operator::api::SecureParameter>();
    let emptied = api.patch_status("checkout", &PatchParams::default(), &Patch::Merge(json!({"status": null}))).await?;
    assert!(emptied.status.is_none_or(|status| !status.is_reported()));
    world.synced("checkout").await?;
    Ok(())
}

/// Forces a sync and waits for the echo.
async fn force(world: &World, token: &str) -> Result<()> {
    let annotation = format!("{}={token}", names::SYNC_ANNOTATION);
    world.plane.kubectl(["-n", "shop", "annotate", "--overwrite", "sparam", "checkout", &annotation]).await?;
    let echoed = world.wait_until("checkout", "the sync to be echoed", |object| {
        object.status.as_ref().and_then(|status| status.last_handled_sync.as_deref()) == Some(token)
    });
    echoed.await.context("echo")?;
    Ok(())
}
