//! Stores that read as a ServiceAccount: its tokens are real, and STS checks them with the key of the cluster.

use anyhow::{Result, ensure};
use secure_parameter_operator::api::ParameterStore;
use serde_json::{Value, json};
use testbed::{fake_aws::Role, wait::eventually};

use super::{add_role, arn, audited, reading, session_names, sessions_of};
use crate::support::{
    Group, PATIENCE, World, fails, message, ready, store, store_is,
    tenant::{TENANT, cluster_stores, put_for_tenant},
};

/// A ServiceAccount with this role and, unless that is empty, this audience.
fn account(world: &World, name: &str, role: &str, audience: &str) -> Value {
    let mut annotations = json!({});
    for (key, value) in [("role-arn", role), ("audience", audience)].into_iter().filter(|(_, value)| !value.is_empty())
    {
        annotations[format!("eks.amazonaws.com/{key}")] = json!(value);
    }
    let metadata = json!({"name": name, "namespace": world.namespace, "annotations": annotations});
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
}

/// A store of the test's namespace that reads as this ServiceAccount.
fn own_store(world: &World, name: &str, reference: &Value) -> Value {
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"identity": {"serviceAccountRef": reference}},
    })
}

/// A cluster store that reads as this ServiceAccount of the test's namespace.
fn shared_store(world: &World, name: &str, account: &str) -> Value {
    let reference = json!({"namespace": world.namespace, "name": account});
    store(name, &json!({"identity": {"serviceAccountRef": reference}}))
}

/// A role that trusts one ServiceAccount with one audience.
fn trusting(world: &World, name: &str, account: &str, audience: &str) -> String {
    let subject = format!("system:serviceaccount:{}:{account}", world.namespace);
    let role = Role {
        trusted: Vec::new(),
        trusted_subjects: vec![subject],
        trusted_audiences: vec![audience.to_owned()],
        ..Role::new(TENANT, name)
    };
    let arn = role.arn.clone();
    world.aws.add_role(role);
    arn
}

/// All at once, because one of them takes a minute.
#[tokio::test]
async fn stores_read_as_service_accounts() -> Result<()> {
    tokio::try_join!(
        both_kinds_of_stores_do(),
        what_is_wrong_is_said_to_those_who_may_know(),
        another_role_is_noticed()
    )
    .map(drop)
}

async fn both_kinds_of_stores_do() -> Result<()> {
    let world = &World::shared(Group::Identities, "accounts").await?;
    put_for_tenant(world, "/accounts/a", "theirs");
    let shared = trusting(world, "accounts-shared", "platform", "sts.amazonaws.com");
    world.apply(&account(world, "platform", &shared, "")).await?;
    world.apply(&shared_store(world, "accounts", "platform")).await?;
    let session = format!("arn:aws:sts::{TENANT}:assumed-role/accounts-shared/spo-test-accounts");
    store_is(&cluster_stores(world), "accounts", "True", "Synced", &[&session]).await?;
    world.apply(&reading(world, "checkout", "accounts")).await?;
    world.synced("checkout").await?;
    world.wait_for_secret("checkout", &[("A", "theirs")]).await?;

    // The audience of the annotation, and then that of the store, which comes first.
    let own = trusting(world, "accounts-own", "team", "audience.test");
    world.apply(&account(world, "team", &own, "audience.test")).await?;
    world.apply(&own_store(world, "own", &json!({"name": "team"}))).await?;
    let stores = world.api::<ParameterStore>();
    let session = format!("arn:aws:sts::{TENANT}:assumed-role/accounts-own/spo-test-accounts-own");
    store_is(&stores, "own", "True", "Synced", &[&session]).await?;
    world.apply(&own_store(world, "other", &json!({"name": "team", "audiences": ["other.test"]}))).await?;
    store_is(&stores, "other", "False", "AccessDenied", &["ServiceAccount accounts/team", &own]).await?;
    world.apply(&own_store(world, "other", &json!({"name": "team", "audiences": ["audience.test"]}))).await?;
    store_is(&stores, "other", "True", "Synced", &["spo-test-accounts-other"]).await?;

    let asked = [sessions_of(&world.aws, &shared), sessions_of(&world.aws, &own)].concat();
    assert_eq!(session_names(&asked)[..2], ["spo-test-accounts", "spo-test-accounts-own"]);
    let user = &asked[1]["userIdentity"];
    assert_eq!(user["type"], "WebIdentityUser");
    assert_eq!(user["userName"], "system:serviceaccount:accounts:team");
    audited(world, &asked).await
}

async fn what_is_wrong_is_said_to_those_who_may_know() -> Result<()> {
    let world = &World::shared(Group::Identities, "faulty").await?;
    put_for_tenant(world, "/faulty/a", "theirs");
    let refused = trusting(world, "faulty", "somebody-else", "*");
    let foreign = "unknown-audience.test";
    for (name, account, reason, parts) in [
        ("absent", None, "StoreNotReady", vec!["does not exist; create it"]),
        ("bare", Some(("", "")), "CredentialsInvalid", vec!["annotate it with eks.amazonaws.com/role-arn"]),
        ("wrong", Some(("role/x", "")), "CredentialsInvalid", vec!["no ARN of a role; correct it"]),
        (
            "untrusted",
            Some((refused.as_str(), "")),
            "AccessDenied",
            vec![
                "sts:AssumeRoleWithWebIdentity",
                &refused,
                "trust policy of the role, for this ServiceAccount and its audience",
            ],
        ),
        (
            "unheard",
            Some((refused.as_str(), foreign)),
            "CredentialsInvalid",
            vec!["InvalidIdentityToken", "identity provider"],
        ),
    ] {
        if let Some((role, audience)) = account {
            world.apply(&self::account(world, name, role, audience)).await?;
        }
        let store_name = format!("faulty-{name}");
        world.apply(&shared_store(world, &store_name, name)).await?;
        world.apply(&own_store(world, name, &json!({"name": name}))).await?;
        let named = format!("ServiceAccount faulty/{name}");
        let mut for_owners = parts.clone();
        if name != "unheard" {
            for_owners.push(&named);
        }
        store_is(&cluster_stores(world), &store_name, "False", reason, &for_owners).await?;
        store_is(&world.api::<ParameterStore>(), name, "False", reason, &for_owners).await?;

        world.apply(&reading(world, &store_name, &store_name)).await?;
        let object = world.wait_until(&store_name, "a failure", |object| {
            ready(object).is_some_and(|ready| format!("{:?}", ready.status) == "False" && ready.reason != "Progressing")
        });
        let said = message(&object.await?).to_owned();
        ensure!(!said.contains(&format!("faulty/{name}")), "an object of a cluster store learns too much: {said}");
        let spec = json!({"storeRef": {"kind": "ParameterStore", "name": name}});
        world.apply(&world.object(name, &[("A", "/faulty/a")], &spec)).await?;
        let expected = if name == "unheard" { "CredentialsInvalid" } else { "StoreNotReady" };
        fails(world, name, expected, "Reconciling", &for_owners).await?;
    }
    Ok(())
}

/// Nobody watches ServiceAccounts, so the store looks at its own once a minute.
async fn another_role_is_noticed() -> Result<()> {
    let world = &World::shared(Group::Identities, "changed").await?;
    put_for_tenant(world, "/changed/a", "theirs");
    add_role(&world.aws, "changed-first");
    add_role(&world.aws, "changed-second");
    world.apply(&account(world, "team", &arn("changed-first"), "")).await?;
    world.apply(&own_store(world, "own", &json!({"name": "team"}))).await?;
    let stores = world.api::<ParameterStore>();
    store_is(&stores, "own", "True", "Synced", &["changed-first"]).await?;
    let spec = json!({"storeRef": {"kind": "ParameterStore", "name": "own"}});
    world.apply(&world.object("checkout", &[("A", "/changed/a")], &spec)).await?;
    world.synced("checkout").await?;
    // Then nothing but the minute makes the store look.
    eventually("the store to count its object", PATIENCE, async || {
        let status = stores.get("own").await?.status.unwrap_or_default();
        Ok((status.subscribers == Some(1)).then_some(()))
    })
    .await?;
    world.apply(&account(world, "team", &arn("changed-second"), "")).await?;
    store_is(&stores, "own", "True", "Synced", &["changed-second"]).await?;
    world.synced("checkout").await?;
    assert_eq!(sessions_of(&world.aws, &arn("changed-first")).len(), 1);
    Ok(())
}
