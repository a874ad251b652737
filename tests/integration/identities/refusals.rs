//! Roles that STS refuses: the reason and the remedy, on the store and on its objects.

use anyhow::{Result, ensure};
use secure_parameter_operator::api::StoreStatus;
use serde_json::json;
use testbed::fake_aws::{PodIdentity, Role};

use super::{add_role, arn, audited, reading, sessions_of};
use crate::support::{
    Group, World, fails, store, store_is, store_shows,
    tenant::{TENANT, cluster_stores, put_for_tenant, secret, secret_of, tenant},
};

#[tokio::test]
async fn a_refused_role_is_named_with_the_policies_that_could_allow_it() -> Result<()> {
    let world = &World::shared(Group::Identities, "refused").await?;
    put_for_tenant(world, "/refused/a", "theirs");
    let role = arn("refused");
    world.apply(&store("refused", &json!({"identity": {"assumeRoles": [{"roleARN": role}]}}))).await?;
    let parts = ["sts:AssumeRole", &role, "in its IAM policy and in the trust policy of the role"];
    store_is(&cluster_stores(world), "refused", "False", "AccessDenied", &parts).await?;
    world.apply(&reading(world, "checkout", "refused")).await?;
    fails(world, "checkout", "StoreNotReady", "Reconciling", &parts).await?;
    audited(world, &sessions_of(&world.aws, &role)).await?;
    // Such a role, but not for this tag.
    let tagged = |team: &str| {
        store("refused", &json!({"identity": {"assumeRoles": [{"roleARN": role, "tags": {"team": team}}]}}))
    };
    world.aws.add_role(Role { allows_tag_session: false, ..Role::new(TENANT, "refused") });
    world.apply(&tagged("shop")).await?;
    store_is(&cluster_stores(world), "refused", "False", "AccessDenied", &["sts:TagSession", &role]).await?;
    add_role(&world.aws, "refused");
    world.apply(&tagged("bank")).await?;
    store_is(&cluster_stores(world), "refused", "True", "Synced", &["spo-test-refused"]).await?;
    world.synced("checkout").await.map(drop)
}

/// A session for each namespace can be refused for one of them alone.
#[tokio::test]
async fn a_role_that_one_namespace_lacks_fails_its_objects_alone() -> Result<()> {
    let world = &World::shared(Group::Identities, "without").await?;
    let other = World::shared(Group::Identities, "with").await?;
    put_for_tenant(world, "/without/a", "theirs");
    put_for_tenant(world, "/with/a", "theirs");
    add_role(&world.aws, "refusals-with");
    let spec = json!({"identity": {"assumeRoles": [{"roleARN": arn("refusals-{namespace}")}]}});
    world.apply(&store("refusals", &spec)).await?;
    world.apply(&reading(world, "checkout", "refusals")).await?;
    world.apply(&reading(&other, "checkout", "refusals")).await?;
    other.synced("checkout").await?;
    let role = arn("refusals-without");
    fails(world, "checkout", "AccessDenied", "Stalled", &["sts:AssumeRole", &role, "trust policy"]).await?;
    store_is(&cluster_stores(world), "refusals", "True", "Synced", &[]).await?;
    let is_told = |status: &StoreStatus| {
        status.warnings.iter().any(|warning| warning.contains("Namespace without") && warning.contains(&role))
    };
    store_shows(world, "refusals", "which namespace has no session", is_told).await?;
    add_role(&world.aws, "refusals-without");
    world.synced("checkout").await?;
    store_shows(world, "refusals", "no warning", |status| status.warnings.is_empty()).await
}

/// The store finds out before the first namespace reads.
#[tokio::test]
async fn a_wrong_access_key_is_noticed_where_each_namespace_has_a_session() -> Result<()> {
    let world = &World::shared(Group::Identities, "wrong-key").await?;
    put_for_tenant(world, "/wrong-key/a", "theirs");
    add_role(&world.aws, "keyed-wrong-key");
    let wrong = json!({"access-key-id": "AKIAWRONG", "secret-access-key": "wrong"});
    world.apply(&secret(world, "keyed", &wrong)).await?;
    let reference = json!({"namespace": world.namespace, "name": "keyed"});
    let roles = json!([{"roleARN": arn("keyed-{namespace}")}]);
    let spec = json!({"identity": {"credentialsSecretRef": reference, "assumeRoles": roles}});
    world.apply(&store("keyed", &spec)).await?;
    store_is(&cluster_stores(world), "keyed", "False", "CredentialsInvalid", &["InvalidClientTokenId"]).await?;
    world.apply(&reading(world, "checkout", "keyed")).await?;
    world.apply(&secret_of(world, "keyed", &tenant(world))).await?;
    store_is(&cluster_stores(world), "keyed", "True", "Synced", &["in sessions of", "keyed-{namespace}"]).await?;
    world.synced("checkout").await.map(drop)
}

/// No session is opened for whom the access rules grant nothing: it would count, and AWS would be asked for no use.
#[tokio::test]
async fn no_session_is_opened_for_what_may_not_be_read() -> Result<()> {
    let world = &World::shared(Group::Identities, "ungranted").await?;
    add_role(&world.aws, "ungranted");
    let spec = json!({"identity": {"assumeRoles": [{"roleARN": arn("{namespace}")}]}});
    world.apply(&store("ungranted", &spec)).await?;
    store_is(&cluster_stores(world), "ungranted", "True", "Synced", &[]).await?;
    let spec = json!({"storeRef": {"name": "ungranted"}});
    world.apply(&world.object("checkout", &[("A", "/other/a")], &spec)).await?;
    fails(world, "checkout", "PolicyDenied", "Stalled", &["/other/a"]).await?;
    assert_eq!(sessions_of(&world.aws, &arn("ungranted")).len(), 0);
    Ok(())
}

/// EKS hands the tags of a Pod on to all sessions that it assumes, and nobody can replace them.
#[tokio::test]
async fn tags_that_pod_identity_hands_on_cannot_be_set() -> Result<()> {
    let mut world = World::without_operator().await?;
    let role = add_role(&world.aws, "operator");
    add_role(&world.aws, "tagged");
    let pod = PodIdentity::new(&role.arn, "spo-system", "spo");
    let agent = testbed::fake_aws::PodIdentityAgent::start(&world.aws, pod).await?;
    super::own::use_only(&mut world, &agent.environment());
    let spec = json!({"identity": {"assumeRoles": [{"roleARN": arn("tagged"), "sessionTags": true}]}});
    world.apply(&store("default", &spec)).await?;
    world.start_operator().await?;
    world.apply(&reading(&world, "checkout", "default")).await?;
    let parts = ["transitive tag", "EKS Pod Identity hands on kubernetes-namespace", "association"];
    let message = fails(&world, "checkout", "StoreNotReady", "Reconciling", &parts).await?;
    ensure!(message.contains("ClusterParameterStore default"), "{message}");
    Ok(())
}
