//! An operator that uses a share of the quota.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::support::{ACCOUNT, Page, REGION, World, object, store, store_shows};

#[tokio::test]
async fn the_store_and_the_metric_show_the_share_of_the_quota() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.set_arguments(&["--quota-share=0.25"]);
    world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 40}}))).await?;
    world.start_operator().await?;
    world.aws.put("/shop/a", "alpha");
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;
    store_shows(&world, "default", "a quarter of 40 requests a second", |status| {
        status.quota.as_ref().is_some_and(|quota| quota.requests_per_second == 10)
    })
    .await?;
    let page = Page::parse(&world.operator().get("/metrics").await?.1)?;
    let labels = [("account", ACCOUNT), ("region", REGION)];
    let limit = page.value("secureparameter_quota_requests_per_second", &labels).context("the metric")?;
    ensure!((limit - 10.0).abs() < 0.01, "{limit} requests a second");
    Ok(())
}
