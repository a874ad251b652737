//! The version before the current one.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::support::{World, message, object};

fn object_of(entries: &Value) -> Value {
    object("checkout", &[], &json!({"data": entries}))
}

#[tokio::test]
async fn the_previous_version_stands_beside_the_current_one() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/password", "one");
    let previous = |optional| {
        let entry = json!({"key": "OLD", "parameter": "/shop/password", "previous": true, "optional": optional});
        object_of(&json!([{"key": "NEW", "parameter": "/shop/password"}, entry]))
    };
    world.apply(&previous(false)).await?;
    let failed = world.wait_for("checkout", "False", "VersionNotFound").await?;
    assert!(message(&failed).contains("of /shop/password") && message(&failed).contains("optional"));
    world.apply(&previous(true)).await?;
    world.wait_for_secret("checkout", &[("NEW", "one")]).await?;
    for (old, new) in [("one", "two"), ("two", "three")] {
        world.aws.put("/shop/password", new);
        world.wait_for_secret("checkout", &[("NEW", new), ("OLD", old)]).await?;
    }
    let synced = world.reported("checkout").await?.status.context("a status")?;
    let versions: Vec<_> = synced.parameters.iter().map(|parameter| parameter.version).collect();
    assert_eq!(versions, [3, 2]);
    let before = world.versions().await?;
    world.stop_operator()?;
    world.aws.clear_records();
    world.start_operator().await?;
    world.aws.put("/shop/password", "four");
    world.wait_for_secret("checkout", &[("NEW", "four"), ("OLD", "three")]).await?;
    assert_eq!(world.aws.decrypts(), 2, "one decrypting read after the restart");
    assert_ne!(world.versions().await?, before);
    Ok(())
}
