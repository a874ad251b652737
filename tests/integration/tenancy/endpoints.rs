//! Endpoints that stores name: only with the flag of the operator, and never link-local ones.

use anyhow::Result;
use serde_json::{Value, json};
use testbed::fake_aws::FakeAws;

use crate::support::{World, fails, store, store_is, tenant::cluster_stores};

/// An AWS of its own, which the operator's identity may call too.
async fn private_aws(world: &World) -> Result<FakeAws> {
    let private = FakeAws::start().await?;
    private.add_identity(world.aws.default_identity());
    private.put("/shop/db", "private");
    world.aws.put("/shop/db", "public");
    Ok(private)
}

fn endpoints(aws: &FakeAws) -> Value {
    json!({"endpoints": {"ssm": aws.url(), "kms": aws.url(), "sts": aws.url()}})
}

#[tokio::test]
async fn endpoints_are_used_only_with_the_flag() -> Result<()> {
    let mut world = World::without_operator().await?;
    let private = private_aws(&world).await?;
    world.apply(&store("private", &endpoints(&private))).await?;
    let spec = json!({"storeRef": {"name": "private"}});
    world.apply(&world.object("checkout", &[("DB", "/shop/db")], &spec)).await?;
    world.apply(&world.object("basket", &[("DB", "/shop/db")], &json!({}))).await?;
    world.start_operator().await?;
    let remedy = ["--allow-custom-endpoints", "aws.allowCustomEndpoints", "remove spec.endpoints"];
    store_is(&cluster_stores(&world), "private", "False", "InvalidSpec", &remedy).await?;
    fails(&world, "checkout", "StoreNotReady", "Reconciling", &["ClusterParameterStore private", remedy[0]]).await?;
    world.wait_for_secret("basket", &[("DB", "public")]).await?;
    assert!(private.records().is_empty(), "called without the flag");

    world.stop_operator()?;
    world.set_arguments(&["--allow-custom-endpoints"]);
    world.start_operator().await?;
    let stores = cluster_stores(&world);
    store_is(&stores, "private", "True", "Synced", &[]).await?;
    world.wait_for_secret("checkout", &[("DB", "private")]).await?;
    world.wait_for_secret("basket", &[("DB", "public")]).await?;
    assert!(private.calls("GetCallerIdentity") > 0 && private.calls("GetParameters") > 0);

    for url in ["http://169.254.169.254", "http://0xa9fea9fe:80/latest", "http://[::ffff:a9fe:a9fe]"] {
        world.apply(&store("private", &json!({"endpoints": {"ssm": url}}))).await?;
        let parts = ["spec.endpoints.ssm leads to the link-local address", "name another endpoint"];
        store_is(&stores, "private", "False", "InvalidSpec", &parts).await?;
        world.apply(&store("private", &endpoints(&private))).await?;
        store_is(&stores, "private", "True", "Synced", &[]).await?;
    }
    // The environment of these tests names an endpoint, which no FIPS endpoint can replace.
    world.apply(&store("fips", &json!({"fips": true}))).await?;
    store_is(&stores, "fips", "False", "InvalidSpec", &["AWS_ENDPOINT_URL", "set spec.fips"]).await
}

#[tokio::test]
async fn an_object_moves_with_the_endpoint_of_its_store() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.set_arguments(&["--allow-custom-endpoints"]);
    let private = private_aws(&world).await?;
    // Newer than what the other endpoint has, so that its answer would be taken for an old one.
    world.aws.put("/shop/db", "public, second version");
    world.apply(&world.object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.start_operator().await?;
    world.wait_for_secret("checkout", &[("DB", "public, second version")]).await?;
    world.apply(&store("default", &endpoints(&private))).await?;
    world.wait_for_secret("checkout", &[("DB", "private")]).await?;
    world.apply(&store("default", &json!({}))).await?;
    world.wait_for_secret("checkout", &[("DB", "public, second version")]).await
}
