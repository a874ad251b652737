//! Keys in Secrets that others created: added with consent, beside the keys of others, and removed with the object.

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

use crate::support::{Group, PATIENCE, World, message, ready};

/// What Secret `theirs` holds once the keys `A` and `B` are added.
const MERGED: [(&str, &str); 3] = [("A", "1"), ("B", "2"), ("THEIRS", "kept")];

/// An object that adds the keys `A` and `B` to Secret `theirs`. `target` adds fields of the target or replaces them.
fn merging(world: &World, name: &str, target: &Value) -> Value {
    let mut whole = json!({"name": "theirs", "creationPolicy": "Merge"});
    for (field, value) in target.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    let (a, b) = (world.path("a"), world.path("b"));
    world.object(name, &[("A", &a), ("B", &b)], &json!({"refreshInterval": "0s", "target": whole}))
}

/// A namespace of the shared world with the parameters that [`merging`] names.
async fn shared(namespace: &str) -> Result<World> {
    let world = World::shared(Group::Secrets, namespace).await?;
    put_values(&world);
    Ok(world)
}

fn put_values(world: &World) {
    world.aws.put(&world.path("a"), "1");
    world.aws.put(&world.path("b"), "2");
}

/// Creates a Secret of others. `allow` is the value of the annotation by which it consents.
async fn theirs(world: &World, name: &str, allow: Option<&str>) -> Result<Secret> {
    let annotations: BTreeMap<_, _> = allow.map(|allow| (names::ALLOW_ANNOTATION, allow)).into_iter().collect();
    let secret = json!({
        "metadata": {"name": name, "annotations": annotations, "labels": {"team": "db"}},
        "type": "example.com/theirs",
        "stringData": {"THEIRS": "kept"},
    });
    Ok(world.api::<Secret>().create(&PostParams::default(), &serde_json::from_value(secret)?).await?)
}

/// Patches a Secret as a user would.
async fn patch(world: &World, name: &str, patch: &str) -> Result<()> {
    let arguments = ["--namespace", &world.namespace, "patch", "secret", name, "--type=merge", "-p", patch];
    world.plane.kubectl(arguments).await.map(drop)
}

/// Deletes an object and waits until it is gone.
async fn delete(world: &World, name: &str) -> Result<()> {
    world.api::<SecureParameter>().delete(name, &DeleteParams::default()).await?;
    eventually("the object to be deleted", PATIENCE, async || {
        Ok(world.api::<SecureParameter>().get_opt(name).await?.is_none().then_some(()))
    })
    .await
}

/// Waits until an object is refused with a message that contains `words`.
async fn is_refused(world: &World, name: &str, words: &str) -> Result<()> {
    let refused = world.wait_for(name, "False", "SecretConflict").await?;
    assert!(message(&refused).contains(words), "{}", message(&refused));
    Ok(())
}

#[tokio::test]
async fn keys_are_added_with_consent_and_removed_with_the_object() -> Result<()> {
    let mut world = World::start().await?;
    put_values(&world);
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    let missing = world.wait_for("checkout", "False", "SecretConflict").await?;
    for part in ["Secret theirs does not exist", "secureparameter.io/allow=shop/checkout"] {
        assert!(message(&missing).contains(part), "{}", message(&missing));
    }
    let before = theirs(&world, "theirs", None).await?;
    world.wait_until("checkout", "the consent to be asked for", |o| message(o).contains("does not consent")).await?;
    assert_eq!(world.api::<Secret>().get("theirs").await?, before, "the Secret is unchanged");
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

    check_edits(&mut world).await?;
    delete(&world, "checkout").await?;
    world.wait_for_secret("theirs", &[("MORE", "x"), ("THEIRS", "changed")]).await
}

/// Changes of others to their own keys stay. Changes to our keys are reverted, also when they were made while the
/// operator was stopped or right after it started.
async fn check_edits(world: &mut World) -> Result<()> {
    let whole = [("A", "1"), ("B", "2"), ("MORE", "x"), ("THEIRS", "changed")];
    patch(world, "theirs", r#"{"stringData": {"THEIRS": "changed", "MORE": "x"}}"#).await?;
    patch(world, "theirs", r#"{"stringData": {"A": "changed"}}"#).await?;
    world.wait_for_secret("theirs", &whole).await?;
    patch(world, "theirs", r#"{"data": {"B": null}}"#).await?;
    world.wait_for_secret("theirs", &whole).await?;
    world.synced("checkout").await?;

    let both = r#"{"data": {"B": null}, "stringData": {"A": "changed"}}"#;
    world.stop_operator()?;
    patch(world, "theirs", both).await?;
    world.start_operator().await?;
    world.wait_for_secret("theirs", &whole).await?;
    world.synced("checkout").await?;

    world.stop_operator()?;
    world.start_operator().await?;
    patch(world, "theirs", both).await?;
    world.wait_for_secret("theirs", &whole).await
}

#[tokio::test]
async fn a_key_that_the_secret_already_holds_is_refused() -> Result<()> {
    let world = shared("held").await?;
    let mut secret = theirs(&world, "theirs", Some("merge")).await?;
    secret.string_data = Some([("B".to_owned(), "not ours".to_owned())].into());
    world.api::<Secret>().replace("theirs", &PostParams::default(), &secret).await?;
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    is_refused(&world, "checkout", "Secret theirs already has B").await?;
    world.wait_for_secret("theirs", &[("B", "not ours"), ("THEIRS", "kept")]).await?;
    patch(&world, "theirs", r#"{"data": {"B": null}}"#).await?;
    world.wait_for_secret("theirs", &MERGED).await
}

/// A consent of `merge` admits every object of the namespace.
#[tokio::test]
async fn two_objects_may_share_a_secret_but_not_a_key() -> Result<()> {
    let world = shared("sharing").await?;
    theirs(&world, "theirs", Some("merge")).await?;
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    world.wait_for_secret("theirs", &MERGED).await?;
    world.apply(&merging(&world, "rival", &json!({}))).await?;
    is_refused(&world, "rival", "already has A, B, set by SecureParameter checkout").await?;
    world.synced("checkout").await?;

    world.aws.put(&world.path("c"), "3");
    let mut other = merging(&world, "rival", &json!({}));
    other["spec"]["data"] = json!([{"key": "C", "parameter": world.path("c")}]);
    world.apply(&other).await?;
    world.wait_for_secret("theirs", &[("A", "1"), ("B", "2"), ("C", "3"), ("THEIRS", "kept")]).await?;
    delete(&world, "checkout").await?;
    world.wait_for_secret("theirs", &[("C", "3"), ("THEIRS", "kept")]).await
}

#[tokio::test]
async fn a_recreated_secret_gives_its_keys_to_one_of_two_objects() -> Result<()> {
    let world = shared("recreated").await?;
    theirs(&world, "theirs", Some("merge")).await?;
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    world.synced("checkout").await?;
    world.apply(&merging(&world, "rival", &json!({}))).await?;
    is_refused(&world, "rival", "already has A, B").await?;
    world.api::<Secret>().delete("theirs", &DeleteParams::default()).await?;
    theirs(&world, "theirs", Some("merge")).await?;

    let reason = async |name: &str| {
        let object = world.api::<SecureParameter>().get(name).await?;
        anyhow::Ok(ready(&object).map(|condition| condition.reason.clone()).unwrap_or_default())
    };
    let mut last_version = None;
    eventually("one object to hold the keys and the other to be refused", PATIENCE, async || {
        let mut reasons = [reason("checkout").await?, reason("rival").await?];
        reasons.sort();
        // The same version twice in a row: the two do not overwrite each other.
        let version = world.api::<Secret>().get_metadata("theirs").await?.resource_version();
        let is_stable = std::mem::replace(&mut last_version, version.clone()) == version;
        Ok((reasons == ["SecretConflict", "Synced"] && is_stable).then_some(()))
    })
    .await?;
    world.wait_for_secret("theirs", &MERGED).await
}

#[tokio::test]
async fn keys_that_others_apply_are_not_taken_over() -> Result<()> {
    let world = shared("applied").await?;
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "text",
            "namespace": world.namespace,
            "annotations": {names::ALLOW_ANNOTATION: "merge"},
        },
        "stringData": {"A": "not ours"},
    });
    world.plane.kubectl_stdin(["apply", "--server-side", "-f", "-"], &secret.to_string()).await?;
    world.apply(&merging(&world, "polite", &json!({"name": "text"}))).await?;
    is_refused(&world, "polite", "Secret text already has A").await?;
    world.wait_for_secret("text", &[("A", "not ours")]).await
}

#[tokio::test]
async fn a_secret_that_an_object_owns_takes_no_keys() -> Result<()> {
    let world = shared("owned").await?;
    let whole = world.object("whole", &[("A", &world.path("a"))], &json!({"refreshInterval": "0s"}));
    world.apply(&whole).await?;
    world.synced("whole").await?;
    world.apply(&merging(&world, "late", &json!({"name": "whole"}))).await?;
    is_refused(&world, "late", "belongs to SecureParameter whole").await
}

#[tokio::test]
async fn keys_follow_a_renamed_target() -> Result<()> {
    let world = shared("retargeted").await?;
    theirs(&world, "theirs", Some("merge")).await?;
    theirs(&world, "others", Some("retargeted/checkout")).await?;
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    world.wait_for_secret("theirs", &MERGED).await?;
    world.apply(&merging(&world, "checkout", &json!({"name": "others"}))).await?;
    world.wait_for_secret("others", &MERGED).await?;
    world.wait_for_secret("theirs", &[("THEIRS", "kept")]).await
}

#[tokio::test]
async fn retained_keys_need_no_finalizer() -> Result<()> {
    let world = shared("retained-keys").await?;
    theirs(&world, "theirs", Some("merge")).await?;
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    world.wait_for_secret("theirs", &MERGED).await?;
    world.apply(&merging(&world, "checkout", &json!({"reclaimPolicy": "Retain"}))).await?;
    let has_none = |object: &SecureParameter| object.finalizers().is_empty();
    let object = world.wait_until("checkout", "the finalizer to be removed", has_none).await?;
    assert!(object.metadata.deletion_timestamp.is_none());
    delete(&world, "checkout").await?;
    world.wait_for_secret("theirs", &MERGED).await
}

/// Our keys have one field manager afterwards, and keys of others are gone.
#[tokio::test]
async fn a_change_from_merge_to_owner_takes_over_the_whole_secret() -> Result<()> {
    let world = shared("merge-to-owner").await?;
    theirs(&world, "theirs", Some("merge-to-owner/checkout")).await?;
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    world.wait_for_secret("theirs", &MERGED).await?;
    world.apply(&merging(&world, "checkout", &json!({"creationPolicy": "Owner"}))).await?;
    world.wait_for_secret("theirs", &[("A", "1"), ("B", "2")]).await?;
    world.synced("checkout").await?;
    let is_repair = |event: &Event| event.action.as_deref() == Some("RestoreSecret");
    assert!(!world.events("checkout").await?.iter().any(is_repair), "nobody else changed the Secret");
    let managers = world.api::<Secret>().get("theirs").await?.metadata.managed_fields.context("managers")?;
    let appliers = managers.iter().filter(|entry| entry.operation.as_deref() == Some("Apply"));
    assert_eq!(appliers.map(|entry| entry.manager.as_deref()).collect::<Vec<_>>(), [Some(names::FIELD_MANAGER)]);
    Ok(())
}

#[tokio::test]
async fn an_immutable_secret_keeps_its_keys_and_takes_no_others() -> Result<()> {
    let world = shared("frozen").await?;
    theirs(&world, "theirs", Some("merge")).await?;
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    world.wait_for_secret("theirs", &MERGED).await?;
    world.synced("checkout").await?;
    patch(&world, "theirs", r#"{"immutable": true}"#).await?;
    delete(&world, "checkout").await.context("the object is deleted although its keys cannot be removed")?;
    world.wait_for_secret("theirs", &MERGED).await?;
    world.event("checkout", "SecretWriteFailed", &[]).await?;
    let mut late = merging(&world, "late", &json!({}));
    late["spec"]["data"] = json!([{"key": "C", "parameter": world.path("a")}]);
    world.apply(&late).await?;
    is_refused(&world, "late", "Secret theirs is immutable").await
}

#[tokio::test]
async fn merged_keys_do_not_block_the_deletion_of_a_namespace() -> Result<()> {
    let world = shared("doomed").await?;
    theirs(&world, "theirs", Some("merge")).await?;
    world.apply(&merging(&world, "checkout", &json!({}))).await?;
    world.synced("checkout").await?;
    world.plane.kubectl(["delete", "namespace", "doomed", "--timeout=60s"]).await?;
    Ok(())
}
