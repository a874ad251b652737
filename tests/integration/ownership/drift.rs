//! Changes that others make to a Secret: our fields are restored at once, everything else is left alone.

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use secure_parameter_operator::api::{SecureParameter, SecureParameterStatus, names};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{Group, PATIENCE, World, sync};

/// A namespace of the shared world with an object in sync.
async fn shared(namespace: &str) -> Result<World> {
    let world = World::shared(Group::Secrets, namespace).await?;
    create_object(&world).await?;
    Ok(world)
}

/// Creates an object that does not poll, so that only a watch can have noticed a change, and waits until it is in sync.
async fn create_object(world: &World) -> Result<()> {
    let (a, b) = (world.path("a"), world.path("b"));
    world.aws.put(&a, "alpha");
    world.aws.put(&b, "beta");
    let spec = json!({"refreshInterval": "0s", "target": {"labels": {"team": "shop"}}});
    world.apply(&world.object("checkout", &[("A", &a), ("B", &b)], &spec)).await?;
    world.synced("checkout").await?;
    Ok(())
}

async fn edit(world: &World, patch: &Value) -> Result<Secret> {
    let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    Ok(world.api::<Secret>().patch("checkout", &params, &Patch::Merge(patch)).await?)
}

#[tokio::test]
async fn edits_of_our_fields_are_reverted() -> Result<()> {
    let world = shared("edited").await?;
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
async fn a_deleted_secret_is_recreated() -> Result<()> {
    let world = shared("deleted").await?;
    let secrets = world.api::<Secret>();
    let before = secrets.get("checkout").await?.uid();
    secrets.delete("checkout", &DeleteParams::default()).await?;
    world.wait_for_secret("checkout", &[("A", "alpha"), ("B", "beta")]).await?;
    let after = secrets.get("checkout").await?.uid();
    assert_ne!(before, after);
    let object = world.wait_until("checkout", "the status to name the new Secret", |object| {
        object.status.as_deref().and_then(SecureParameterStatus::written_secret).map(|secret| secret.uid) == after
    });
    object.await?;
    Ok(())
}

#[tokio::test]
async fn labels_of_others_are_left_alone() -> Result<()> {
    let world = World::start().await?;
    create_object(&world).await?;
    let calls = world.aws.calls("GetParameters");
    let edited = edit(&world, &json!({"metadata": {"labels": {"theirs": "yes"}}})).await?;
    // The forced sync is queued behind the edit, so the edit has been seen once the sync is done.
    sync(&world, "checkout").await?;
    let secret = world.api::<Secret>().get("checkout").await?;
    assert_eq!(secret.resource_version(), edited.resource_version(), "the values are the same, so nothing is written");
    assert_eq!(secret.labels().get("theirs").map(String::as_str), Some("yes"));
    assert_eq!(world.aws.calls("GetParameters"), calls + 1, "only the forced sync");
    Ok(())
}

#[tokio::test]
async fn repairs_back_off_while_another_manager_keeps_writing() -> Result<()> {
    let world = shared("contested").await?;
    let mut rounds = 0;
    let contested = eventually("the operator to back off", PATIENCE, async || {
        rounds += 1;
        edit(&world, &json!({"stringData": {"A": format!("round-{rounds}")}})).await?;
        let api = world.api::<SecureParameter>();
        let ready = api.get("checkout").await?.status.and_then(|status| status.conditions.first().cloned());
        Ok(ready.filter(|ready| ready.reason == "SecretContested"))
    })
    .await?;
    for part in ["kubectl-edit", "spec.target.creationPolicy to Merge"] {
        assert!(contested.message.contains(part), "{} lacks {part}", contested.message);
    }
    // Once the other manager stops, the Secret is repaired.
    world.wait_for_secret("checkout", &[("A", "alpha"), ("B", "beta")]).await?;
    world.synced("checkout").await?;
    Ok(())
}

#[tokio::test]
async fn a_forced_sync_reads_at_once_and_is_acknowledged() -> Result<()> {
    let world = shared("forced").await?;
    world.aws.put(&world.path("a"), "newer");
    sync(&world, "checkout").await?;
    world.wait_for_secret("checkout", &[("A", "newer"), ("B", "beta")]).await?;
    Ok(())
}

#[tokio::test]
async fn an_emptied_status_is_written_again() -> Result<()> {
    let world = shared("emptied").await?;
    let api = world.api::<SecureParameter>();
    let emptied = api.patch_status("checkout", &PatchParams::default(), &Patch::Merge(json!({"status": null}))).await?;
    assert!(emptied.status.is_none_or(|status| !status.is_reported()));
    world.synced("checkout").await?;
    Ok(())
}
