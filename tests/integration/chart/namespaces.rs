//! An operator of some namespaces: it has no rights in others, does nothing there, and needs none.

use anyhow::{Result, ensure};
use kube::{Api, ResourceExt, api::ListParams};
use secure_parameter_operator::api::{ClusterParameterStore, ParameterStore, SecureParameter};
use serde_json::{Value, json};
use testbed::{
    fake_aws::{DEFAULT_ACCOUNT, Identity},
    wait::eventually,
};

use super::installation::Installation;
use crate::support::chart::policies_act;
use crate::support::{PATIENCE, has_ready, object, ready};

const VALUES: &[&str] = &[
    "--set=aws.region=eu-central-1,defaultStore.create=true,rbac.aggregate=false,namespaces={shop,ghost}",
    r#"--set-json=defaultStore.spec={"access":[{"name":"own","namespaces":{"from":"Selector","selector":{"matchLabels":{"team":"a"}}},"parameters":["/{namespace}/**"]}]}"#,
];
/// A store that every namespace has for itself.
const OWN_STORE: &str = "own";

fn own_store(namespace: &str) -> Value {
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": OWN_STORE, "namespace": namespace},
        "spec": {"identity": {"credentialsSecretRef": {"name": "aws"}}},
    })
}

/// An object that reads through the store of its namespace. `spec` adds fields.
fn reading(namespace: &str, name: &str, spec: &Value) -> Value {
    let mut manifest = object(name, &[("PASSWORD", &format!("/{namespace}/password"))], spec);
    manifest["metadata"]["namespace"] = json!(namespace);
    manifest["spec"]["storeRef"] = json!({"kind": "ParameterStore", "name": OWN_STORE});
    manifest
}

fn secret(namespace: &str, name: &str, data: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
}

impl Installation {
    /// Creates a store with credentials, a parameter, and an object that reads it.
    async fn settles_in(&self, namespace: &str) -> Result<()> {
        let identity = Identity::user(DEFAULT_ACCOUNT, namespace);
        self.aws.add_identity(identity.clone());
        let data = json!({"access-key-id": identity.access_key_id, "secret-access-key": identity.secret_access_key});
        self.aws.put(&format!("/{namespace}/password"), "first");
        self.apply(&own_store(namespace)).await?;
        self.apply(&secret(namespace, "aws", &data)).await?;
        self.apply(&reading(namespace, "checkout", &json!({}))).await
    }

    async fn synced_in(&self, namespace: &str, name: &str) -> Result<()> {
        let objects: Api<SecureParameter> = Api::namespaced(self.client.clone(), namespace);
        let mut last = String::new();
        let what = format!("{namespace}/{name} to be in sync");
        let waited = eventually(&what, PATIENCE, async || {
            let object = objects.get(name).await?;
            last = format!("{:?}", ready(&object));
            Ok(ready(&object).is_some_and(|ready| has_ready(ready, "True", "Synced")).then_some(()))
        });
        waited.await.map_err(|error| error.context(last.clone()))
    }
}

#[tokio::test]
async fn namespaces_that_are_not_listed_stay_out_of_it_and_one_that_is_missing_blocks_nobody() -> Result<()> {
    let start = ["shop", "ghost", "other"];
    let mut world = Installation::start(&start, &[VALUES, &["--set=rbac.clusterStores=false"]].concat()).await?;
    world.plane.kubectl(["label", "namespace", "shop", "team=a"]).await?;
    // The Role goes with the namespace.
    let role = world.plane.kubectl(["get", "role,rolebinding", "--namespace=ghost", "--output=yaml"]).await?;
    world.plane.kubectl(["delete", "namespace", "ghost"]).await?;
    policies_act(&world.plane, &world.kubeconfig().await?, "shop").await?;
    let operator = world.operator().await?;
    let log = operator.log()?;
    for words in [
        "may not list and watch secrets of namespace ghost; create the namespace ghost and grant the operator the chart's Role",
        "may not list and watch clusterparameterstores, so it goes on without them; set rbac.clusterStores=true",
        "may not list and watch namespaces, so it goes on without them",
    ] {
        ensure!(log.contains(words), "the log lacks {words:?}:\n{log}");
    }
    let metrics = operator.get("/metrics").await?.1;
    let has_errors = |watch: &str| {
        let counter = format!("secureparameter_watch_errors_total{{watch=\"{watch}\"}} ");
        metrics.lines().any(|line| line.strip_prefix(&counter).is_some_and(|count| count != "0"))
    };
    for watch in ["secrets", "secureparameters", "parameterstores"] {
        ensure!(has_errors(watch), "{watch}:\n{metrics}");
    }
    ensure!(!has_errors("namespaces"), "what it can do without is no error:\n{metrics}");

    world.settles_in("shop").await?;
    world.settles_in("other").await?;
    world.synced_in("shop", "checkout").await?;
    foreign_secrets_are_followed(&world).await?;
    world.apply(&object("by-default", &[("PASSWORD", "/shop/password")], &json!({}))).await?;
    let message = world.says("by-default", "may not read ClusterParameterStores").await?;
    ensure!(message.contains("rbac.clusterStores=true") && message.contains("name a ParameterStore"), "{message}");

    world.plane.kubectl(["create", "namespace", "ghost"]).await?;
    world.plane.kubectl_stdin(["create", "-f", "-"], &role).await?;
    world.settles_in("ghost").await?;
    world.synced_in("ghost", "checkout").await?;

    world.upgrade(VALUES).await?;
    world.synced_in("shop", "by-default").await?;
    stays_out(&world).await?;
    let log = world.stop(&operator)?;
    let told = log.lines().filter(|line| line.contains("goes on without them")).count();
    ensure!(told == 2, "told {told} times, once for stores and once for namespaces:\n{log}");
    ensure!(!log.contains("cannot list resource"), "each attempt is told:\n{log}");
    ensure!(!log.contains("could not"), "it tried to write where it may not:\n{log}");
    Ok(())
}

/// The Secrets of others are watched in each namespace.
async fn foreign_secrets_are_followed(world: &Installation) -> Result<()> {
    world.apply(&secret("shop", "theirs", &json!({}))).await?;
    let target = json!({"target": {"name": "theirs", "creationPolicy": "Merge"}});
    world.apply(&reading("shop", "merges", &target)).await?;
    world.says("merges", "does not consent").await?;
    let consent = "secureparameter.io/allow=merge";
    world.plane.kubectl(["annotate", "secret", "theirs", "--namespace=shop", consent]).await?;
    world.secret_holds("theirs", "first").await.map(drop)
}

/// Nothing was written in a namespace that is not listed, nor where there is none, and no right was missing for that.
async fn stays_out(world: &Installation) -> Result<()> {
    let objects: Api<SecureParameter> = Api::namespaced(world.client.clone(), "other");
    ensure!(objects.get("checkout").await?.status.is_none_or(|status| status.secret.is_none()), "an object was synced");
    let stores: Api<ParameterStore> = Api::namespaced(world.client.clone(), "other");
    ensure!(stores.get(OWN_STORE).await?.status.is_none_or(|status| status.identity.is_none()), "a store was opened");
    let stores: Api<ClusterParameterStore> = Api::all(world.client.clone());
    ensure!(stores.get("default").await?.status.is_none_or(|status| status.identity.is_none()), "a status was written");
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(world.client.clone(), "other");
    let names: Vec<_> = secrets.list(&ListParams::default()).await?.iter().map(ResourceExt::name_any).collect();
    ensure!(names == ["aws"], "{names:?}");
    Ok(())
}
