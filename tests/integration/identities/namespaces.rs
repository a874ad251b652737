//! One store, and a session for each namespace that reads from it.

use anyhow::{Result, ensure};
use kube::api::DeleteParams;
use secure_parameter_operator::api::SecureParameter;
use serde_json::json;
use testbed::{
    fake_aws::{DEFAULT_ACCOUNT, Role, Statement},
    wait::eventually,
};

use super::{CLUSTER, add_role, arn, audited, reading, session_names, sessions_of};
use crate::support::{
    Group, PATIENCE, World, fails, store, store_is,
    tenant::{TENANT, cluster_stores, put_for_tenant},
};

/// Waits until a store shows this number of sessions.
pub async fn shows_sessions(world: &World, name: &str, expected: i32) -> Result<()> {
    eventually(&format!("store {name} to show {expected} sessions"), PATIENCE, async || {
        let status = cluster_stores(world).get(name).await?.status.unwrap_or_default();
        Ok((status.sessions == Some(expected)).then_some(()))
    })
    .await
}

async fn delete(world: &World, name: &str) -> Result<()> {
    world.api::<SecureParameter>().delete(name, &DeleteParams::default()).await?;
    Ok(())
}

#[tokio::test]
async fn each_namespace_reads_in_a_role_of_its_own() -> Result<()> {
    let world = &World::shared(Group::Identities, "mine").await?;
    let other = World::shared(Group::Identities, "yours").await?;
    let hub = Role::new(DEFAULT_ACCOUNT, "per-role-hub");
    world.aws.add_role(hub.clone());
    let session = |namespace: &str| {
        format!("arn:aws:sts::{TENANT}:assumed-role/per-role-{namespace}/spo-{CLUSTER}-{namespace}-per-role")
    };
    for namespace in ["mine", "yours"] {
        add_role(&world.aws, &format!("per-role-{namespace}"));
        put_for_tenant(world, &format!("/{namespace}/a"), namespace);
    }
    let roles = json!([{"roleARN": hub.arn}, {"roleARN": arn("per-role-{namespace}")}]);
    world.apply(&store("per-role", &json!({"identity": {"assumeRoles": roles}}))).await?;
    store_is(&cluster_stores(world), "per-role", "True", "Synced", &[TENANT]).await?;
    assert_eq!(sessions_of(&world.aws, &arn("per-role-mine")).len(), 0, "opened before somebody reads");
    for world in [world, &other] {
        world.apply(&reading(world, "checkout", "per-role")).await?;
        world.apply(&reading(world, "second", "per-role")).await?;
    }
    for world in [world, &other] {
        world.synced("checkout").await?;
        world.synced("second").await?;
        world.wait_for_secret("checkout", &[("A", &world.namespace)]).await?;
        let role = arn(&format!("per-role-{}", world.namespace));
        let asked = sessions_of(&world.aws, &role);
        assert_eq!(session_names(&asked), [format!("spo-{CLUSTER}-{}-per-role", world.namespace)]);
        audited(world, &asked).await?;
    }
    let hub = sessions_of(&world.aws, &hub.arn);
    assert_eq!(session_names(&hub), ["spo-test-per-role"], "all namespaces share the session of the hub");
    let readers: Vec<_> = world.aws.records();
    let readers = readers.iter().filter(|record| record["eventName"] == "GetParameters");
    for record in readers.filter(|record| record["requestParameters"]["names"][0] == "/mine/a") {
        assert_eq!(record["userIdentity"]["arn"], session("mine").as_str());
    }
    shows_sessions(world, "per-role", 2).await?;
    delete(&other, "checkout").await?;
    delete(&other, "second").await?;
    shows_sessions(world, "per-role", 1).await
}

/// One role for all, whose policy lets each session read below the namespace in its tags.
#[tokio::test]
async fn aws_itself_keeps_the_namespaces_of_tagged_sessions_apart() -> Result<()> {
    let world = &World::shared(Group::Identities, "tagged").await?;
    let by_tag = format!("arn:aws:ssm:*:{TENANT}:parameter/${{aws:PrincipalTag/kubernetes-namespace}}/*");
    let keys = Statement::allow(&["kms:Decrypt"], &["*"]);
    world.aws.add_role(
        Role::new(TENANT, "abac").with_policy(vec![Statement::allow(&["ssm:GetParameters"], &[&by_tag]), keys]),
    );
    put_for_tenant(world, "/tagged/a", "mine");
    put_for_tenant(world, "/foreign/a", "theirs");
    // The rules let everybody read everything, by mistake.
    let rule = json!({"name": "all", "namespaces": {"from": "All"}, "parameters": ["/**"]});
    let identity = json!({"assumeRoles": [{"roleARN": arn("abac"), "sessionTags": true}]});
    world.apply(&store("abac", &json!({"identity": identity, "access": [rule]}))).await?;
    world.apply(&reading(world, "checkout", "abac")).await?;
    world.synced("checkout").await?;
    let spec = json!({"storeRef": {"name": "abac"}});
    world.apply(&world.object("thief", &[("A", "/foreign/a")], &spec)).await?;
    fails(world, "thief", "AccessDenied", "Stalled", &["ssm:GetParameters", "parameter/foreign/a"]).await?;
    ensure!(world.secret("thief").await?.is_none());
    world.synced("checkout").await?;
    let asked = sessions_of(&world.aws, &arn("abac"));
    let tag = |key: &str, value: &str| json!({"key": key, "value": value});
    let expected =
        [tag("kubernetes-namespace", "tagged"), tag("kubernetes-store", "abac"), tag("kubernetes-cluster", CLUSTER)];
    assert_eq!(asked[0]["requestParameters"]["tags"], json!(expected));
    audited(world, &asked).await
}
