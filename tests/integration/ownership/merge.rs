//! Keys in Secrets that others made: with their consent, beside theirs, and gone with the object.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{
    ResourceExt,
    api::{DeleteParams, PostParams},
};
use secure_parameter_operator::api::{SecureParameter, names};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, message, object};

/// An object that puts the keys `A` and `B` into Secret `theirs`.
fn merging(name: &str, target: &Value) -> Value {
    let mut whole = json!({"name": "theirs", "creationPolicy": "Merge"});
    for (field, value) in target.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    object(name, &[("A", "/shop/a"), ("B", "/shop/b")], &json!({"refreshInterval": "0s", "target": whole}))
}

async fn world() -> Result<World> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "1");
    world.aws.put("/shop/b", "2");
    Ok(world)
}

/// A Secret of others that consents, or not.
async fn theirs(world: &World, name: &str, allow: Option<&str>) -> Result<Secret> {
    let annotations: BTreeMap<_, _> = allow.map(|allow| (names::ALLOW_ANNOTATION, allow)).into_iter().collect();
    let secret = json!({
        "metadata": {"name": name, "annotations": annotations, "labels": {"team": "db"}},
        "type": "example.com/theirs",
        "stringData": {"THEIRS": "kept"},
    });
    Ok(world.api::<Secret>().create(&PostParams::default(), &serde_json::from_value(secret)?).await?)
}

async fn delete(world: &World, name: &str) -> Result<()> {
    world.api::<SecureParameter>().delete(name, &DeleteParams::default()).await?;
    eventually("the object to go", PATIENCE, async || {
        Ok(world.api::<SecureParameter>().get_opt(name).await?.is_none().then_some(()))
    })
    .await
}

#[tokio::test]
async fn keys_are_put_beside_those_of_others_and_leave_with_the_object() -> Result<()> {
    let mut world = world().await?;
    world.apply(&merging("checkout", &json!({}))).await?;
    let missing = world.wait_for("checkout", "False", "SecretConflict").await?;
    for part in ["Secret theirs does not exist", "secureparameter.io/allow=shop/checkout"] {
        assert!(message(&missing).contains(part), "{}", message(&missing));
    }
    let before = theirs(&world, "theirs", None).await?;
    world.wait_until("checkout", "the consent to be asked for", |o| message(o).contains("does not consent")).await?;
    assert_eq!(world.api::<Secret>().get("theirs").await?, before, "untouched");
    assert_eq!(world.aws.decrypts(), 0);

    let consent = format!("{}=shop/checkout", names::ALLOW_ANNOTATION);
    world.plane.kubectl(["-n", "shop", "annotate", "secret", "theirs", &consent]).await?;
    world.wait_for_secret("theirs", &[("A", "1"), ("B", "2"), ("THEIRS", "kept")]).await?;
    let synced = world.synced("checkout").await?;
    assert!(message(&synced).contains("holds 2 keys from 2 parameters"), "{}", message(&synced));
    let secret = world.api::<Secret>().get("theirs").await?;
    assert_eq!(
        (secret.type_, secret.metadata.labels, secret.metadata.owner_references),
        (before.type_.clone(), before.metadata.labels.clone(), None)
    );

    // What others do to their keys is theirs; what they do to ours is undone, also after a restart.
    let edit = async |patch: &str| {
        world.plane.kubectl(["-n", "shop", "patch", "secret", "theirs", "--type=merge", "-p", patch]).await
    };
    edit(r#"{"stringData": {"THEIRS": "changed", "MORE": "x"}}"#).await?;
    edit(r#"{"stringData": {"A": "changed"}}"#).await?;
    let whole = [("A", "1"), ("B", "2"), ("MORE", "x"), ("THEIRS", "changed")];
    world.wait_for_secret("theirs", &whole).await?;
    edit(r#"{"data": {"B": null}}"#).await?;
    world.wait_for_secret("theirs", &whole).await?;
    world.synced("checkout").await?;
    world.stop_operator()?;
    let patch = r#"{"data": {"B": null}, "stringData": {"A": "changed"}}"#;
    world.plane.kubectl(["-n", "shop", "patch", "secret", "theirs", "--type=merge", "-p", patch]).await?;
    world.start_operator().await?;
    world.wait_for_secret("theirs", &whole).await?;
    world.synced("checkout").await?;
    // The Secret is followed from the start on, not only once it was written.
    world.stop_operator()?;
    world.start_operator().await?;
    world.plane.kubectl(["-n", "shop", "patch", "secret", "theirs", "--type=merge", "-p", patch]).await?;
    world.wait_for_secret("theirs", &whole).await?;

    delete(&world, "checkout").await?;
    world.wait_for_secret("theirs", &[("MORE", "x"), ("THEIRS", "changed")]).await?;
    Ok(())
}

#[tokio::test]
async fn keys_of_others_are_never_taken() -> Result<()> {
    let world = world().await?;
    let mut secret = theirs(&world, "theirs", Some("merge")).await?;
    secret.string_data = Some([("B".to_owned(), "not ours".to_owned())].into());
    world.api::<Secret>().replace("theirs", &PostParams::default(), &secret).await?;
    world.apply(&merging("checkout", &json!({}))).await?;
    let refused = world.wait_for("checkout", "False", "SecretConflict").await?;
    assert!(message(&refused).contains("Secret theirs already has B"), "{}", message(&refused));
    world.wait_for_secret("theirs", &[("B", "not ours"), ("THEIRS", "kept")]).await?;
    let patch = r#"{"data": {"B": null}}"#;
    world.plane.kubectl(["-n", "shop", "patch", "secret", "theirs", "--type=merge", "-p", patch]).await?;
    world.wait_for_secret("theirs", &[("A", "1"), ("B", "2"), ("THEIRS", "kept")]).await?;

    // Two objects share a Secret that lets all of the namespace in, but not a key.
    world.apply(&merging("rival", &json!({}))).await?;
    let refused = world.wait_for("rival", "False", "SecretConflict").await?;
    let words = "already has A, B, set by SecureParameter checkout";
    assert!(message(&refused).contains(words), "{}", message(&refused));
    one_of_two_holds_what_is_made_anew(&world).await?;
    world.aws.put("/shop/c", "3");
    let mut other = merging("rival", &json!({}));
    other["spec"]["data"] = json!([{"key": "C", "parameter": "/shop/c"}]);
    world.apply(&other).await?;
    world.wait_for_secret("theirs", &[("A", "1"), ("B", "2"), ("C", "3"), ("THEIRS", "kept")]).await?;
    delete(&world, "checkout").await?;
    world.wait_for_secret("theirs", &[("C", "3"), ("THEIRS", "kept")]).await?;

    // Also what others write as text, by server-side apply, is theirs.
    let text = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "text", "namespace": "shop", "annotations": {names::ALLOW_ANNOTATION: "merge"}},
        "stringData": {"A": "not ours"},
    });
    world.plane.kubectl_stdin(["apply", "--server-side", "-f", "-"], &text.to_string()).await?;
    world.apply(&merging("polite", &json!({"name": "text"}))).await?;
    let refused = world.wait_for("polite", "False", "SecretConflict").await?;
    assert!(message(&refused).contains("Secret text already has A"), "{}", message(&refused));
    world.wait_for_secret("text", &[("A", "not ours")]).await?;

    // A Secret that an object of ours writes whole takes no keys.
    let whole = object("whole", &[("A", "/shop/a")], &json!({"refreshInterval": "0s"}));
    world.apply(&whole).await?;
    world.synced("whole").await?;
    world.apply(&merging("late", &json!({"name": "whole"}))).await?;
    let refused = world.wait_for("late", "False", "SecretConflict").await?;
    assert!(message(&refused).contains("belongs to SecureParameter whole"), "{}", message(&refused));
    Ok(())
}

/// Of a Secret that is deleted and made anew one of two objects has the keys, and the other does not fight for them.
async fn one_of_two_holds_what_is_made_anew(world: &World) -> Result<()> {
    world.plane.kubectl(["-n", "shop", "delete", "secret", "theirs"]).await?;
    theirs(world, "theirs", Some("merge")).await?;
    let reason = async |name: &str| {
        let status = world.api::<SecureParameter>().get(name).await?.status.unwrap_or_default();
        anyhow::Ok(status.conditions.first().map(|condition| condition.reason.clone()).unwrap_or_default())
    };
    let secret = world.api::<Secret>();
    let mut held = None;
    eventually("one of them to hold the keys, and the other to know", PATIENCE, async || {
        let mut reasons = [reason("checkout").await?, reason("rival").await?];
        reasons.sort();
        // Twice in a row the same: nobody fights.
        let version = secret.get_metadata("theirs").await?.resource_version();
        let is_same = std::mem::replace(&mut held, version.clone()) == version;
        Ok((reasons == ["SecretConflict", "Synced"] && is_same).then_some(()))
    })
    .await?;
    world.wait_for_secret("theirs", &[("A", "1"), ("B", "2"), ("THEIRS", "kept")]).await?;
    // For the rest, the first is to have them.
    delete(world, "rival").await?;
    world.synced("checkout").await.map(drop)
}

#[tokio::test]
async fn keys_follow_the_target_and_the_policy() -> Result<()> {
    let world = world().await?;
    theirs(&world, "theirs", Some("merge")).await?;
    theirs(&world, "others", Some("shop/checkout")).await?;
    world.apply(&merging("checkout", &json!({}))).await?;
    let merged = [("A", "1"), ("B", "2"), ("THEIRS", "kept")];
    world.wait_for_secret("theirs", &merged).await?;
    world.apply(&merging("checkout", &json!({"name": "others"}))).await?;
    world.wait_for_secret("others", &merged).await?;
    world.wait_for_secret("theirs", &[("THEIRS", "kept")]).await?;

    // With reclaimPolicy Retain they stay, and the object waits for nothing.
    world.apply(&merging("checkout", &json!({"name": "others", "reclaimPolicy": "Retain"}))).await?;
    let object = world.wait_until("checkout", "the finalizer to go", |object| object.finalizers().is_empty()).await?;
    assert!(object.metadata.deletion_timestamp.is_none());

    // Taken over whole: what others held goes, and our keys are held but once.
    world.apply(&merging("checkout", &json!({"name": "others", "creationPolicy": "Owner"}))).await?;
    world.wait_for_secret("others", &[("A", "1"), ("B", "2")]).await?;
    world.synced("checkout").await?;
    let restored = |event: &Event| event.action.as_deref() == Some("RestoreSecret");
    assert!(!world.events("checkout").await?.iter().any(restored), "nobody changed anything");
    let managers = world.api::<Secret>().get("others").await?.metadata.managed_fields.context("managers")?;
    let ours = managers.iter().filter(|entry| entry.operation.as_deref() == Some("Apply"));
    assert_eq!(ours.map(|entry| entry.manager.as_deref()).collect::<Vec<_>>(), [Some(names::FIELD_MANAGER)]);
    delete(&world, "checkout").await?;

    // A Secret that became immutable keeps the keys, and does not hold up the object; another takes none.
    theirs(&world, "frozen", Some("merge")).await?;
    world.apply(&merging("checkout", &json!({"name": "frozen"}))).await?;
    world.wait_for_secret("frozen", &merged).await?;
    world.synced("checkout").await?;
    let freeze = r#"{"immutable": true}"#;
    world.plane.kubectl(["-n", "shop", "patch", "secret", "frozen", "--type=merge", "-p", freeze]).await?;
    delete(&world, "checkout").await?;
    world.wait_for_secret("frozen", &merged).await?;
    world.event("checkout", "SecretWriteFailed", &[]).await?;
    let mut late = merging("late", &json!({"name": "frozen"}));
    late["spec"]["data"] = json!([{"key": "C", "parameter": "/shop/a"}]);
    world.apply(&late).await?;
    let refused = world.wait_for("late", "False", "SecretConflict").await?;
    assert!(message(&refused).contains("Secret frozen is immutable"), "{}", message(&refused));
    delete(&world, "late").await?;

    // A namespace that goes is not held up.
    world.apply(&merging("last", &json!({}))).await?;
    world.synced("last").await?;
    world.plane.kubectl(["delete", "namespace", "shop", "--timeout=60s"]).await?;
    Ok(())
}
