//! The operator's own identity: a role for its ServiceAccount (IRSA), and EKS Pod Identity.

use std::fs;

use anyhow::{Context, Result, ensure};
use secure_parameter_operator::api::ParameterStore;
use serde_json::{Value, json};
use testbed::{
    fake_aws::{DEFAULT_ACCOUNT, DEFAULT_REGION, PodIdentity, PodIdentityAgent, Role},
    wait::eventually,
};

use super::{CLUSTER, audited, session_names, sessions_of};
use crate::support::{PATIENCE, World, object, store_is, tenant::cluster_stores};

/// Gives the operator these variables, and none with keys.
pub fn use_only(world: &mut World, variables: &[(String, String)]) {
    let inherited: Vec<_> = world.aws.environment().into_iter().map(|(name, _)| name).collect();
    world.unset_environment(&inherited.iter().map(String::as_str).collect::<Vec<_>>());
    let url = ("AWS_ENDPOINT_URL".to_owned(), world.aws.url());
    let region = ("AWS_REGION".to_owned(), DEFAULT_REGION.to_owned());
    world.set_environment(&[url, region]);
    world.set_environment(variables);
}

/// Lets the operator run as a ServiceAccount of the cluster. Returns its token for AWS.
async fn run_as_service_account(world: &mut World, namespace: &str, name: &str) -> Result<String> {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}});
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
    });
    world.apply(&account).await?;
    world.apply(&binding).await?;
    let kubeconfig = world.plane.folder().join("operator.kubeconfig");
    let token = world.plane.service_account_token(namespace, name).await?;
    world.plane.write_kubeconfig(&token, &kubeconfig)?;
    world.set_environment(&[("KUBECONFIG".to_owned(), kubeconfig.display().to_string())]);
    world.plane.service_account_token_for(namespace, name, &["sts.amazonaws.com"]).await
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A role for the ServiceAccount: its session has the name of the cluster, and no tenant gets it.
#[tokio::test]
async fn irsa_is_the_operators_alone() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.set_arguments(&["--cluster-name", CLUSTER]);
    world.aws.verify_tokens(world.plane.token_verifier()?);
    // The operator runs in the namespace of the tenant, which nobody should do.
    let token = run_as_service_account(&mut world, "shop", "spo").await?;
    let role = Role {
        trusted: Vec::new(),
        trusted_subjects: vec!["system:serviceaccount:shop:spo".to_owned()],
        ..Role::new(DEFAULT_ACCOUNT, "operator")
    };
    world.aws.add_role(role.clone());
    let file = world.plane.folder().join("token");
    fs::write(&file, &token)?;
    let file = file.display().to_string();
    use_only(&mut world, &environment(&[("AWS_ROLE_ARN", &role.arn), ("AWS_WEB_IDENTITY_TOKEN_FILE", &file)]));
    world.aws.put("/shop/a", "alpha");
    world.start_operator().await?;
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;
    let session = format!("arn:aws:sts::{DEFAULT_ACCOUNT}:assumed-role/operator/spo-{CLUSTER}");
    store_is(&cluster_stores(&world), "default", "True", "Synced", &[&session]).await?;
    let asked = sessions_of(&world.aws, &role.arn);
    assert_eq!(session_names(&asked), [format!("spo-{CLUSTER}")]);
    audited(&world, &asked).await?;

    // A tenant names the operator's own ServiceAccount. It even has a role.
    let annotation = format!("eks.amazonaws.com/role-arn={}", role.arn);
    world.plane.kubectl(["annotate", "-n", "shop", "serviceaccount", "spo", &annotation]).await?;
    let store = json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": "thief", "namespace": "shop"},
        "spec": {"identity": {"serviceAccountRef": {"name": "spo"}}},
    });
    world.apply(&store).await?;
    let parts = ["never uses the operator's identity", "another ServiceAccount"];
    store_is(&world.api::<ParameterStore>(), "thief", "False", "InvalidSpec", &parts).await?;
    assert_eq!(sessions_of(&world.aws, &role.arn).len(), 1, "no token was exchanged for it");
    Ok(())
}

#[tokio::test]
async fn pod_identity_gives_credentials_that_are_fetched_anew_once_if_aws_refuses_them() -> Result<()> {
    let mut world = World::without_operator().await?;
    let role = Role::new(DEFAULT_ACCOUNT, "pod");
    world.aws.add_role(role.clone());
    let agent = PodIdentityAgent::start(&world.aws, PodIdentity::new(&role.arn, "spo-system", "spo")).await?;
    use_only(&mut world, &agent.environment());
    world.aws.put("/shop/a", "alpha");
    world.start_operator().await?;
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;
    store_is(&cluster_stores(&world), "default", "True", "Synced", &["assumed-role/pod/eks-demo-spo-0"]).await?;
    assert_eq!(agent.requests(), 1);

    // The token in the file is replaced all the time; each request reads it.
    agent.rotate_token("another-token")?;
    checked(&world).await?;
    world.aws.expire_sessions(&role.arn);
    world.aws.put("/shop/a", "newer");
    world.wait_for_secret("checkout", &[("A", "newer")]).await?;
    world.synced("checkout").await?;
    assert_eq!(agent.requests(), 2, "fetched anew once");

    // The agent is out of order, and then it is not.
    agent.fail(Some(500));
    world.aws.expire_sessions(&role.arn);
    world.wait_for("checkout", "True", "CredentialsInvalid").await?;
    agent.fail(None);
    world.synced("checkout").await?;
    let calls: Vec<Value> = world.operator().audit()?;
    let read = calls.iter().rfind(|record| record["cloudtrail"]["eventName"] == "GetParameters").context("a read")?;
    ensure!(
        read["cloudtrail"]["userIdentity"]["arn"].as_str().is_some_and(|arn| arn.contains("assumed-role/pod/")),
        "{read}"
    );
    Ok(())
}

/// Waits until the parameters were checked twice more: credentials are replaced only if they are older than ten seconds.
async fn checked(world: &World) -> Result<()> {
    let checks = world.aws.calls("GetParameters") + 2;
    eventually("two checks", PATIENCE, async || Ok((world.aws.calls("GetParameters") >= checks).then_some(()))).await
}
