//! The main job from end to end: an object is applied, a Secret appears and follows its parameters, the access is recorded.

use anyhow::{Context, Result};
use serde_json::json;

use crate::support::{World, object};

#[tokio::test]
async fn a_secret_appears_and_follows_its_parameters() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/db-password", "first-password");
    world.aws.put("/shop/api-token", "first-token");
    world
        .apply(&object(
            "checkout",
            &[("DB_PASSWORD", "/shop/db-password"), ("API_TOKEN", "/shop/api-token")],
            &json!({}),
        ))
        .await?;

    let synced = world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("DB_PASSWORD", "first-password"), ("API_TOKEN", "first-token")]).await?;
    assert_eq!(world.aws.decrypts(), 2);
    let records = world.aws.records();
    let first = records.iter().find(|record| record["eventName"] == "GetParameters").context("a read")?;
    assert_eq!(first["requestParameters"]["withDecryption"], true, "the first read decrypts");
    let status = synced.status.context("a status")?;
    assert_eq!(status.parameter_count, Some(2));
    assert_eq!(status.conditions[0].message, "Secret checkout holds 2 keys from 2 parameters.");
    let request_id = status.last_access.as_ref().context("an access")?.request_id.as_ref().context("a request id")?;
    let event = world.event("checkout", "ParameterDecrypted", &[]).await?;
    let note = event.note.context("a note")?;
    for part in [request_id.as_str(), "parameter/shop/db-password version 1", "parameter/shop/api-token version 1"] {
        assert!(note.contains(part), "{note}");
    }

    let events = world.events("checkout").await?;
    world.aws.put("/shop/db-password", "second-password");
    world.wait_for_secret("checkout", &[("DB_PASSWORD", "second-password"), ("API_TOKEN", "first-token")]).await?;
    let event = world.event("checkout", "ParameterDecrypted", &events).await?;
    assert!(event.note.is_some_and(|note| note.contains("db-password version 2")));
    assert_eq!(world.aws.decrypts(), 4, "both parameters of the object, once each");
    world.synced("checkout").await?;
    Ok(())
}
