//! The operator as the chart starts it: with its arguments, its environment and the rights of its ServiceAccount.

use anyhow::{Result, ensure};
use k8s_openapi::api::events::v1::Event;
use kube::{Api, ResourceExt, api::ListParams};
use secure_parameter_operator::api::{ClusterParameterStore, Condition, SecureParameter};
use serde_json::json;
use testbed::wait::eventually;

use super::{NAMESPACE, RELEASE, installation::Installation};
use crate::support::chart::policies_act;
use crate::support::{PATIENCE, object};

const VALUES: &[&str] = &[
    "--set=aws.region=eu-central-1,defaultStore.create=true,concurrency=2",
    r#"--set-json=defaultStore.spec={"access":[{"name":"own-paths","namespaces":{"from":"Names","names":["shop"]},"parameters":["/{namespace}/**"]}]}"#,
];

#[tokio::test]
async fn the_main_job_needs_no_more_than_the_chart_grants() -> Result<()> {
    let mut world = Installation::start(&["shop"], VALUES).await?;
    policies_act(&world.plane, &world.kubeconfig().await?, "shop").await?;
    let operator = world.operator().await?;
    world.aws.put("/shop/password", "first");
    let mut checkout = object("checkout", &[("PASSWORD", "/shop/password")], &json!({}));
    world.apply(&checkout).await?;
    let secret = world.secret_holds("checkout", "first").await?;
    world.aws.put("/shop/password", "second");
    assert_eq!(world.secret_holds("checkout", "second").await?.uid(), secret.uid());
    world.reports().await?;

    // A new target needs the right to delete the previous Secret.
    checkout["spec"]["target"] = json!({"name": "moved"});
    world.apply(&checkout).await?;
    let secret = world.secret_holds("moved", "second").await?;
    world.secret_gone("checkout").await?;
    world.merges_keys().await?;
    let first_log = world.stop(&operator)?;

    world.upgrade(&[VALUES, &["--set=concurrency=3"]].concat()).await?;
    let operator = world.operator().await?;
    world.aws.put("/shop/password", "third");
    world.secret_holds("moved", "third").await?;
    world.restarts_workloads_if_enabled().await?;
    let log = first_log + &world.stop(&operator)?;
    ensure!(!log.contains("forbidden") && !log.contains("may not"), "a right is missing:\n{log}");

    world.plane.helm(["uninstall", RELEASE, "--namespace", NAMESPACE]).await?;
    let kept = world.secret_holds("moved", "third").await?;
    assert_eq!((kept.uid(), kept.metadata.deletion_timestamp), (secret.uid(), None));
    let objects: Api<SecureParameter> = Api::namespaced(world.client.clone(), "shop");
    assert!(objects.get("checkout").await?.metadata.deletion_timestamp.is_none());
    Ok(())
}

impl Installation {
    /// Merging keys needs the right to set the object's finalizer.
    async fn merges_keys(&self) -> Result<()> {
        let metadata =
            json!({"name": "theirs", "namespace": "shop", "annotations": {"secureparameter.io/allow": "merge"}});
        self.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})).await?;
        let target = json!({"target": {"name": "theirs", "creationPolicy": "Merge"}});
        self.apply(&object("merges", &[("PASSWORD", "/shop/password")], &target)).await?;
        self.secret_holds("theirs", "second").await?;
        self.plane.kubectl(["-n", "shop", "delete", "secureparameter", "merges", "--timeout=60s"]).await?;
        ensure!(self.secrets().get("theirs").await?.data.is_none_or(|data| data.is_empty()), "the key was not removed");
        Ok(())
    }

    /// Without the right to restart workloads, the condition names the value of the chart.
    async fn restarts_workloads_if_enabled(&mut self) -> Result<()> {
        let restart = json!({"restart": [{"kind": "Deployment", "name": "none"}]});
        self.aws.put("/shop/rotating", "first");
        self.apply(&object("restarts", &[("PASSWORD", "/shop/rotating")], &restart)).await?;
        self.secret_holds("restarts", "first").await?;
        self.aws.put("/shop/rotating", "second");
        self.wait_for_restarted("restart.enabled=true").await?;
        self.upgrade(&[VALUES, &["--set=restart.enabled=true"]].concat()).await?;
        // The operator would try again after a minute. A new change is tried at once.
        self.aws.put("/shop/rotating", "third");
        self.wait_for_restarted("Not found, correct spec.restart: Deployment none.").await
    }

    async fn wait_for_restarted(&self, words: &str) -> Result<()> {
        let objects: Api<SecureParameter> = Api::namespaced(self.client.clone(), "shop");
        eventually(&format!("the condition Restarted to contain {words}"), PATIENCE, async || {
            let conditions = objects.get("restarts").await?.status.unwrap_or_default().conditions.clone();
            Ok(conditions.iter().any(|c| c.type_ == "Restarted" && c.message.contains(words)).then_some(()))
        })
        .await
    }

    async fn secret_gone(&self, name: &str) -> Result<()> {
        eventually("the previous Secret to be deleted", PATIENCE, async || {
            Ok(self.secrets().get_opt(name).await?.is_none().then_some(()))
        })
        .await
    }

    /// Waits until both statuses and an Event are written.
    async fn reports(&self) -> Result<()> {
        let objects: Api<SecureParameter> = Api::namespaced(self.client.clone(), "shop");
        let stores: Api<ClusterParameterStore> = Api::all(self.client.clone());
        let events: Api<Event> = Api::namespaced(self.client.clone(), "shop");
        eventually("statuses and an Event", PATIENCE, async || {
            let object = objects.get("checkout").await?.status.is_some_and(|status| synced(&status.conditions));
            let store = stores.get("default").await?.status.is_some_and(|status| synced(&status.conditions));
            let has_event = !events.list(&ListParams::default()).await?.items.is_empty();
            Ok((object && store && has_event).then_some(()))
        })
        .await
    }
}

fn synced(conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| condition.type_ == "Ready" && condition.reason == "Synced")
}
