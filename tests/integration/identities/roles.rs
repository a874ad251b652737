//! Roles that a store assumes as the operator or with the access key of a Secret.

use anyhow::{Context, Result, ensure};
use secure_parameter_operator::api::ParameterStore;
use serde_json::{Value, json};
use testbed::{
    fake_aws::{DEFAULT_ACCOUNT, FakeAws, Identity, ResourcePolicy, Role},
    wait::eventually,
};

use super::{add_role, arn, audited, reading, session_names, sessions_of};
use crate::support::{
    Group, PATIENCE, World, echoed, force, store, store_is, sync,
    tenant::{TENANT, cluster_stores, put_for_tenant, secret, tenant},
};

/// A role that only trusts whoever meets all these conditions.
fn add_strict_role(aws: &FakeAws, account: &str, name: &str, conditions: &Value) -> Result<String> {
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{DEFAULT_ACCOUNT}:root")},
         "Action": "sts:AssumeRole", "Condition": conditions},
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{DEFAULT_ACCOUNT}:root")},
         "Action": ["sts:TagSession", "sts:SetSourceIdentity"]},
    ]});
    let role = Role::new(account, name).with_trust(ResourcePolicy::of_role(&document.to_string())?);
    let arn = role.arn.clone();
    aws.add_role(role);
    Ok(arn)
}

#[tokio::test]
async fn a_chain_carries_what_trust_policies_ask_for() -> Result<()> {
    let world = &World::shared(Group::Identities, "chain").await?;
    put_for_tenant(world, "/chain/a", "theirs");
    let asked = json!({"StringEquals": {"sts:ExternalId": "external-1", "sts:SourceIdentity": "spo@test",
                                        "aws:RequestTag/team": "shop", "aws:RequestTag/stage": "test"}});
    let hub = add_strict_role(&world.aws, DEFAULT_ACCOUNT, "chain-hub", &asked)?;
    // The team comes from the session of the hub, and so does the source identity.
    let asked = json!({"StringEquals": {"aws:PrincipalTag/team": "shop", "aws:SourceIdentity": "spo@test"}});
    let reader = add_strict_role(&world.aws, TENANT, "chain-reader", &asked)?;
    let roles = json!([
        {"roleARN": hub, "externalID": "external-1", "sourceIdentity": "spo@test", "duration": "15m",
         "tags": {"team": "shop", "stage": "test"}, "transitiveTagKeys": ["team"]},
        {"roleARN": reader, "duration": "30m"},
    ]);
    world.apply(&store("chain", &json!({"identity": {"assumeRoles": roles}}))).await?;
    let session = format!("arn:aws:sts::{TENANT}:assumed-role/chain-reader/spo-test-chain");
    store_is(&cluster_stores(world), "chain", "True", "Synced", &[&session, TENANT]).await?;
    world.apply(&reading(world, "checkout", "chain")).await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "theirs")]).await?;

    let (first, second) = (sessions_of(&world.aws, &hub), sessions_of(&world.aws, &reader));
    ensure!(first.len() == 1 && second.len() == 1, "{first:#?} {second:#?}");
    let parameters = &first[0]["requestParameters"];
    assert_eq!(parameters["durationSeconds"], 900);
    assert_eq!(parameters["externalId"], "external-1");
    assert_eq!(parameters["transitiveTagKeys"], json!(["team"]));
    let parameters = &second[0]["requestParameters"];
    assert_eq!(parameters["durationSeconds"], 1_800);
    assert_eq!(parameters["incomingTransitiveTags"], json!({"team": "shop"}));
    let hub_session = format!("arn:aws:sts::{DEFAULT_ACCOUNT}:assumed-role/chain-hub/spo-test-chain");
    assert_eq!(second[0]["userIdentity"]["arn"], hub_session.as_str());
    audited(world, &[first, second].concat()).await?;
    let reads: Vec<_> = world.aws.records();
    let read = reads.iter().find(|record| record["userIdentity"]["arn"] == session.as_str()).context("a read")?;
    assert_eq!(read["userIdentity"]["sessionContext"]["sourceIdentity"], "spo@test");
    Ok(())
}

/// Access keys under names of the user's choice, a role on top of them, and new keys while the operator runs.
#[tokio::test]
async fn new_keys_in_a_secret_assume_the_role_without_a_restart() -> Result<()> {
    let world = &World::shared(Group::Identities, "keys").await?;
    put_for_tenant(world, "/keys/a", "theirs");
    let user = tenant(world);
    let role = Role { trusted: vec![user.arn.clone()], ..Role::new(TENANT, "keys-reader") };
    world.aws.add_role(role.clone());
    let keys = |user: &Identity| {
        let data = json!({"AWS_ACCESS_KEY_ID": user.access_key_id, "AWS_SECRET_ACCESS_KEY": user.secret_access_key});
        secret(world, "rotated", &data)
    };
    world.apply(&keys(&user)).await?;
    world.apply(&own_store(world, &role.arn, "AWS_ACCESS_KEY_ID")).await?;
    let session = format!("arn:aws:sts::{TENANT}:assumed-role/keys-reader/spo-test-keys-own");
    let stores = world.api::<ParameterStore>();
    store_is(&stores, "own", "True", "Synced", &[&session]).await?;
    let spec = json!({"storeRef": {"kind": "ParameterStore", "name": "own"}});
    world.apply(&world.object("checkout", &[("A", "/keys/a")], &spec)).await?;
    world.synced("checkout").await?;

    let renewed = tenant(world);
    world.apply(&keys(&renewed)).await?;
    eventually("the role to be assumed with the new keys", PATIENCE, async || {
        let asked = sessions_of(&world.aws, &role.arn);
        let is_new = |record: &Value| record["userIdentity"]["accessKeyId"] == renewed.access_key_id.as_str();
        Ok(asked.last().is_some_and(is_new).then_some(()))
    })
    .await?;
    world.aws.remove_identity(&user.access_key_id);
    sync(world, "checkout").await?;
    world.synced("checkout").await?;
    let asked = sessions_of(&world.aws, &role.arn);
    assert_eq!(session_names(&asked), ["spo-test-keys-own"; 2], "once for each access key");
    audited(world, &asked).await?;

    world.apply(&own_store(world, &role.arn, "id")).await?;
    store_is(&stores, "own", "False", "CredentialsInvalid", &["keys/rotated", "id"]).await
}

/// A `ParameterStore` with its access key id under this key, and a role.
fn own_store(world: &World, role: &str, access_key_id: &str) -> Value {
    let keys = json!({"accessKeyID": access_key_id, "secretAccessKey": "AWS_SECRET_ACCESS_KEY"});
    let identity =
        json!({"credentialsSecretRef": {"name": "rotated", "keys": keys}, "assumeRoles": [{"roleARN": role}]});
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": "own", "namespace": world.namespace},
        "spec": {"identity": identity},
    })
}

/// STS has an endpoint in each region. The record says which one was called.
#[tokio::test]
async fn a_store_of_another_region_asks_sts_there() -> Result<()> {
    let world = &World::shared(Group::Identities, "abroad").await?;
    add_role(&world.aws, "abroad");
    let spec = json!({"region": "eu-west-1", "identity": {"assumeRoles": [{"roleARN": arn("abroad")}]}});
    world.apply(&store("abroad", &spec)).await?;
    store_is(&cluster_stores(world), "abroad", "True", "Synced", &["eu-west-1", "spo-test-abroad"]).await?;
    let asked = sessions_of(&world.aws, &arn("abroad"));
    assert_eq!(asked[0]["awsRegion"], "eu-west-1");
    audited(world, &asked).await
}

#[tokio::test]
async fn an_edit_that_does_not_concern_the_identity_asks_sts_for_nothing() -> Result<()> {
    let world = &World::shared(Group::Identities, "edited").await?;
    put_for_tenant(world, "/edited/a", "theirs");
    add_role(&world.aws, "edited");
    let spec = |interval: &str| {
        store(
            "edited",
            &json!({"revalidateInterval": interval, "identity": {"assumeRoles": [{"roleARN": arn("edited")}]}}),
        )
    };
    world.apply(&spec("1h")).await?;
    world.apply(&reading(world, "checkout", "edited")).await?;
    world.synced("checkout").await?;
    world.apply(&spec("2h")).await?;
    store_is(&cluster_stores(world), "edited", "True", "Synced", &[]).await?;
    let token = force(world, "checkout").await?;
    echoed(world, "checkout", &token).await?;
    assert_eq!(sessions_of(&world.aws, &arn("edited")).len(), 1);
    Ok(())
}
