//! What goes wrong with one store or object, and ends no other.

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::json;

use crate::support::{World, object};

/// No HTTP header can hold such a key id. The AWS SDK panicked at it.
#[tokio::test]
async fn credentials_with_a_line_break_concern_their_own_store_alone() -> Result<()> {
    let world = World::start().await?;
    let secret: Secret = serde_json::from_value(json!({
        "metadata": {"name": "credentials"},
        "stringData": {"access-key-id": "AKIA\nEXAMPLE", "secret-access-key": "hunter2"},
    }))?;
    world.api::<Secret>().create(&PostParams::default(), &secret).await?;
    world
        .apply(&json!({
            "apiVersion": "secureparameter.io/v1alpha1",
            "kind": "ParameterStore",
            "metadata": {"name": "broken", "namespace": "shop"},
            "spec": {"identity": {"credentialsSecretRef": {"name": "credentials"}}},
        }))
        .await?;
    let store = json!({"storeRef": {"kind": "ParameterStore", "name": "broken"}});
    world.apply(&object("theirs", &[("DB", "/shop/db")], &store)).await?;
    world.wait_for("theirs", "False", "StoreNotReady").await?;
    world.aws.put("/shop/db", "value");
    world.apply(&object("ours", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("ours").await?;
    world.operator().process().ensure_running()?;
    assert_eq!(world.operator().get("/healthz").await?.0, 200);
    assert!(!world.operator().log()?.contains("hunter2"), "{}", world.operator().log()?);
    Ok(())
}
