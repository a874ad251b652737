//! Where stores read: regions and partitions, and endpoints that they name, which takes the flag of the operator and is never
//! a link-local one.

use anyhow::Result;
use serde_json::{Value, json};
use testbed::fake_aws::{DEFAULT_ACCOUNT, FakeAws, Identity, PutOptions, Role};

use crate::{
    audit::join,
    support::{
        World, fails, store, store_is,
        tenant::{TENANT, cluster_stores, secret_of},
    },
};

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

/// Each store reads its own region, with a session that was opened there, and only that region and its partition.
#[tokio::test]
async fn a_store_of_another_region_or_partition_reads_there() -> Result<()> {
    let mut world = World::without_operator().await?;
    let role = Role::new(DEFAULT_ACCOUNT, "elsewhere");
    let in_china =
        Identity { arn: format!("arn:aws-cn:iam::{TENANT}:user/reader"), ..Identity::user(TENANT, "reader") };
    world.aws.add_identity(in_china.clone());
    world.aws.add_role(role.clone());
    for (region, account, value) in [("us-east-1", DEFAULT_ACCOUNT, "virginia"), ("cn-north-1", TENANT, "beijing")] {
        let (region, account) = (Some(region.to_owned()), Some(account.to_owned()));
        world.aws.put_with("/shop/db", value, PutOptions { region, account, ..PutOptions::default() });
    }
    world.apply(&secret_of(&world, "china", &in_china)).await?;
    let assumed = json!({"assumeRoles": [{"roleARN": role.arn}]});
    let keys = json!({"credentialsSecretRef": {"namespace": "shop", "name": "china"}});
    let access =
        json!([{"name": "all", "namespaces": {"from": "All"}, "parameters": ["/**", "arn:*:ssm:*:*:parameter/**"]}]);
    for (name, region, identity) in [("virginia", "us-east-1", assumed), ("beijing", "cn-north-1", keys)] {
        world.apply(&store(name, &json!({"region": region, "identity": identity, "access": access}))).await?;
        world.apply(&world.object(name, &[("DB", "/shop/db")], &json!({"storeRef": {"name": name}}))).await?;
    }
    let of_china = format!("arn:aws-cn:ssm:cn-north-1:{TENANT}:parameter/shop/db");
    let spec = |name: &str| json!({"storeRef": {"name": name}});
    world.apply(&world.object("own-arn", &[("DB", &of_china)], &spec("beijing"))).await?;
    world.apply(&world.object("partition", &[("DB", &of_china)], &spec("virginia"))).await?;
    let of_frankfurt = format!("arn:aws:ssm:eu-central-1:{DEFAULT_ACCOUNT}:parameter/shop/db");
    world.apply(&world.object("region", &[("DB", &of_frankfurt)], &spec("virginia"))).await?;
    world.start_operator().await?;

    world.wait_for_secret("virginia", &[("DB", "virginia")]).await?;
    world.wait_for_secret("own-arn", &[("DB", "beijing")]).await?;
    world.wait_for_secret("beijing", &[("DB", "beijing")]).await?;
    let status = world.synced("beijing").await?.status.unwrap_or_default();
    assert_eq!(status.parameters.first().map(|parameter| parameter.arn.as_str()), Some(of_china.as_str()));
    let parts = ["is in partition aws-cn", "belongs to partition aws;"];
    fails(&world, "partition", "InvalidSpec", "Stalled", &parts).await?;
    let parts = ["is in region eu-central-1", "the store reads region us-east-1"];
    fails(&world, "region", "InvalidSpec", "Stalled", &parts).await?;

    let audit = world.stop_operator()?.audit()?;
    join::check_each(&audit, &world.aws.records());
    let mut opened = audit.iter().map(|record| &record["cloudtrail"]).filter(|call| call["eventName"] == "AssumeRole");
    assert_eq!(opened.next().map(|call| &call["awsRegion"]), Some(&json!("us-east-1")));
    Ok(())
}
