//! A Secret that External Secrets Operator (ESO) made changes hands: its uid and its bytes stay, and nothing happens to it
//! when its ExternalSecret is deleted.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use secure_parameter_operator::api::names;
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::migrate;
use crate::support::{
    Group, PATIENCE, World,
    external_secrets::{Written, canary, collected, definitions, external_secrets, made_by_eso, manager, owner},
    has_ready, message, ready,
};

/// A namespace with an ExternalSecret of this name and the Secret that ESO leaves for it.
struct Handover {
    world: World,
    name: &'static str,
    owner: Value,
    secret: Secret,
}

impl Handover {
    async fn start(namespace: &str, name: &'static str, written: Written) -> Result<Self> {
        let world = World::shared(Group::Secrets, namespace).await?;
        let definitions = json!({"apiVersion": "v1", "kind": "List", "items": definitions()}).to_string();
        world.plane.kubectl_stdin(["apply", "--server-side", "--force-conflicts", "-f", "-"], &definitions).await?;
        let kinds = ["crd/externalsecrets.external-secrets.io", "crd/clustersecretstores.external-secrets.io"];
        world.plane.kubectl([&["wait", "--for=condition=Established"], &kinds[..]].concat()).await?;
        world.aws.put(&world.path("password"), "s3cr3t");
        world.aws.put(&world.path("binary"), "AAH/");
        let store = json!({
            "apiVersion": "external-secrets.io/v1beta1",
            "kind": "ClusterSecretStore",
            "metadata": {"name": namespace},
            "spec": {"provider": {"aws": {"service": "ParameterStore", "region": "eu-central-1"}}},
        });
        world.apply(&store).await?;
        let object = json!({
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": namespace, "labels": {"team": "shop"}},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": namespace},
                "data": [
                    {"secretKey": "PASSWORD", "remoteRef": {"key": world.path("password")}},
                    {"secretKey": "BINARY", "remoteRef": {"key": world.path("binary"), "decodingStrategy": "Base64"}},
                ],
            },
        });
        world.apply(&object).await?;
        let owner = owner(&world.client, namespace, name).await?;
        // No parameter is behind one of its keys any more.
        let data = json!({"PASSWORD": "czNjcjN0", "BINARY": "AAH/", "STALE": "b2xk"});
        let secret = made_by_eso(&world.client, namespace, &owner, &data, written).await?;
        Ok(Self { world, name, owner, secret })
    }

    /// Applies what the command prints for the cluster, and runs the commands in it.
    async fn hand_over(&self) -> Result<()> {
        let world = &self.world;
        let printed = migrate(world.plane.kubeconfig(), &["--namespace", &world.namespace], "").await?;
        // Other tests have cluster stores of their own.
        let documents = printed.split("---\n").filter(|document| document.contains(&world.namespace));
        let own = documents.collect::<Vec<_>>().join("---\n");
        world.plane.kubectl_stdin(["apply", "-f", "-"], &own).await?;
        for command in own.lines().filter_map(|line| line.strip_prefix("# kubectl ")) {
            world.plane.kubectl(command.split(' ')).await?;
        }
        Ok(())
    }

    /// Puts a reference to the ExternalSecret on the Secret, as ESO does that is still at work.
    async fn reclaim(&self) -> Result<(), kube::Error> {
        let api = self.world.api::<Secret>();
        let mut owners: Vec<Value> = match api.get(self.name).await?.metadata.owner_references {
            Some(owners) => owners.iter().map(|owner| serde_json::to_value(owner).unwrap_or_default()).collect(),
            None => Vec::new(),
        };
        owners.push(self.owner.clone());
        let params = PatchParams { field_manager: Some(manager(self.name)), ..PatchParams::default() };
        let patch = json!({"metadata": {"ownerReferences": owners}});
        api.patch(self.name, &params, &Patch::Merge(patch)).await.map(drop)
    }
}

/// What somebody else than the operator owns of the data and the type.
fn foreign_fields(secret: &Secret) -> Vec<String> {
    let entries = secret.metadata.managed_fields.iter().flatten();
    let foreign = entries.filter(|entry| entry.manager.as_deref() != Some(names::FIELD_MANAGER));
    let fields = foreign.filter_map(|entry| entry.fields_v1.as_ref()?.0.as_object());
    fields.flat_map(|fields| fields.keys().cloned()).filter(|field| field != "f:metadata").collect()
}

async fn changes_hands(namespace: &str, written: Written) -> Result<()> {
    let handover = Handover::start(namespace, "checkout", written).await?;
    let (world, before) = (&handover.world, &handover.secret);
    canary(&world.client, namespace, &handover.owner).await?;

    handover.hand_over().await?;
    world.synced("checkout").await?;
    let after = world.api::<Secret>().get("checkout").await?;
    assert_eq!(after.uid(), before.uid(), "the Secret was not replaced");
    let kept: BTreeMap<String, ByteString> = before
        .data
        .iter()
        .flatten()
        .filter(|(key, _)| *key != "STALE")
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    assert_eq!(after.data, Some(kept), "the bytes are the same, and the key without a parameter is gone");
    let owners: Vec<_> = after.owner_references().iter().map(|owner| owner.kind.as_str()).collect();
    assert_eq!(owners, ["SecureParameter"]);
    assert_eq!(foreign_fields(&after), [""; 0], "nobody else owns data or type");
    let marks = after.labels().keys().chain(after.annotations().keys()).filter(|key| key.starts_with("reconcile."));
    assert_eq!(marks.count(), 0, "{:?} {:?}", after.labels(), after.annotations());
    assert_eq!(after.labels().get("team").map(String::as_str), Some("shop"));

    external_secrets(&world.client, namespace).delete("checkout", &DeleteParams::default()).await?;
    collected(&world.client, namespace).await?;
    let later = world.api::<Secret>().get("checkout").await?;
    assert_eq!((later.uid(), later.data), (before.uid(), after.data));
    // A new value arrives as in every other Secret.
    world.aws.put(&world.path("password"), "rotated");
    crate::support::sync(world, "checkout").await?;
    let password = world.secret("checkout").await?.and_then(|data| data.get("PASSWORD").cloned());
    assert_eq!(password.as_deref(), Some("rotated"));
    // A key that ESO wrote leaves with the spec.
    let one = json!({"spec": {"data": [{"key": "PASSWORD", "parameter": world.path("password")}]}}).to_string();
    world.plane.kubectl(["-n", &world.namespace, "patch", "sparam", "checkout", "--type=merge", "-p", &one]).await?;
    world.wait_for_secret("checkout", &[("PASSWORD", "rotated")]).await
}

#[tokio::test]
async fn a_secret_that_eso_updated_changes_hands_without_a_change() -> Result<()> {
    changes_hands("handover-update", Written::ByUpdate).await
}

#[tokio::test]
async fn a_secret_that_eso_applied_changes_hands_without_a_change() -> Result<()> {
    changes_hands("handover-apply", Written::ByApply).await
}

/// ESO cannot make itself the controller of a Secret that has one. Where the Secret has none, since it is to be retained, the
/// operator removes its reference, and says in the end who puts it there.
#[tokio::test]
async fn an_eso_that_goes_on_is_named() -> Result<()> {
    let handover = Handover::start("handover-contested", "checkout", Written::ByUpdate).await?;
    let world = &handover.world;
    handover.hand_over().await?;
    world.synced("checkout").await?;
    let refused = handover.reclaim().await.expect_err("a second controller").to_string();
    assert!(refused.contains("Only one reference can have Controller set to true"), "{refused}");

    let patch = r#"{"spec": {"target": {"reclaimPolicy": "Retain"}}}"#;
    world.plane.kubectl(["-n", &world.namespace, "patch", "sparam", "checkout", "--type=merge", "-p", patch]).await?;
    eventually("the Secret to have no owner", PATIENCE, async || {
        let secret = world.api::<Secret>().get("checkout").await?;
        Ok(secret.owner_references().is_empty().then_some(()))
    })
    .await?;
    world.synced("checkout").await?;
    let objects = world.api::<secure_parameter_operator::api::SecureParameter>();
    for _ in 0..10 {
        handover.reclaim().await?;
        let contested = eventually("the reference to be removed or named", PATIENCE, async || {
            let secret = world.api::<Secret>().get("checkout").await?;
            let object = objects.get("checkout").await?;
            let is_named = ready(&object).is_some_and(|ready| has_ready(ready, "False", "SecretContested"));
            Ok((is_named || secret.owner_references().is_empty()).then_some(is_named))
        })
        .await?;
        if contested {
            let object = objects.get("checkout").await?;
            assert!(
                message(&object).starts_with("ExternalSecret checkout keeps making itself the owner"),
                "{}",
                message(&object)
            );
            return Ok(());
        }
    }
    ensure!(false, "nobody was named");
    Ok(())
}
