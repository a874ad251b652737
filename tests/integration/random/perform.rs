//! Makes each step in the real control plane and in the fake AWS.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams},
};
use secure_parameter_operator::api::{ClusterParameterStore, SecureParameter};
use serde_json::{Value, json};
use testbed::fake_aws::RuleId;

use crate::support::{World, store};

use super::model::{DEFAULT, Model, Object, SECOND, Step, TREE, key};

/// The world, and what is needed to change it back.
pub struct Hands {
    /// The world.
    pub world: World,
    denials: BTreeMap<String, RuleId>,
}

impl Hands {
    /// Makes the world as the default model says: no objects, everything granted, no operator.
    pub async fn new() -> Result<Self> {
        let mut world = World::without_operator().await?;
        // One that is killed keeps its Lease for as long.
        world.set_arguments(&["--lease-duration", "2s"]);
        let hands = Self { world, denials: BTreeMap::new() };
        hands.grant(true, true).await?;
        hands.label(true).await?;
        hands.apply_store(&store(SECOND, &json!({}))).await?;
        Ok(hands)
    }

    /// Makes a step. `model` is the world after it.
    pub async fn perform(&mut self, step: &Step, model: &Model) -> Result<()> {
        let objects = self.world.api::<SecureParameter>();
        match step {
            Step::Apply(name, object) => self.apply(name, object).await?,
            Step::Flash(name, object, life) => {
                self.apply(name, object).await?;
                tokio::time::sleep(Duration::from_millis((*life).into())).await;
                objects.delete(name, &DeleteParams::default()).await?;
            }
            Step::Delete(name) => drop(objects.delete(name, &DeleteParams::default()).await?),
            Step::Recreate(name) => {
                objects.delete(name, &DeleteParams::default()).await?;
                self.apply(name, &model.objects[name]).await?;
            }
            Step::Damage(name) => {
                let secrets = self.world.api::<Secret>();
                match secrets.delete(&model.objects[name].target, &DeleteParams::default()).await {
                    Ok(_) => {}
                    Err(kube::Error::Api(status)) if status.is_not_found() => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Step::Put(name, value) => drop(self.world.aws.put(name, value)),
            Step::Remove(name) => drop(self.world.aws.delete(name)),
            Step::Replace(name, value) => {
                self.world.aws.delete(name);
                self.world.aws.put(name, value);
            }
            Step::Deny(name, denied) => self.deny(name, *denied),
            Step::Grant(own, common) => self.grant(*own, *common).await?,
            Step::Label(labelled) => self.label(*labelled).await?,
            Step::Store(true) => self.apply_store(&store(SECOND, &json!({}))).await?,
            Step::Store(false) => {
                // It may not exist.
                let _ = stores(&self.world.client).delete(SECOND, &DeleteParams::default()).await;
            }
            Step::Stop { kill: false } => drop(self.world.stop_operator()?),
            Step::Stop { kill: true } => {
                let operator = self.world.operator.take().context("no operator")?;
                operator.process().signal("KILL")?;
            }
            Step::Start => self.world.start_operator().await?,
        }
        Ok(())
    }

    async fn apply(&self, name: &str, object: &Object) -> Result<()> {
        let entry = |(parameter, optional): (&String, &bool)| json!({"key": key(parameter), "parameter": parameter, "optional": optional});
        let data: Vec<_> = object.names.iter().map(entry).collect();
        let paths: Vec<_> = object.has_path.then(|| json!({"path": TREE})).into_iter().collect();
        let reclaim = if object.retains { "Retain" } else { "Delete" };
        let spec = json!({
            "storeRef": {"name": object.store},
            "suspend": object.is_suspended,
            "data": data,
            "dataFrom": paths,
            "target": {"name": object.target, "reclaimPolicy": reclaim},
        });
        let manifest = self.world.object(name, &[], &spec);
        self.world.api::<SecureParameter>().patch(name, &as_user(), &Patch::Apply(manifest)).await?;
        Ok(())
    }

    fn deny(&mut self, name: &str, denied: bool) {
        let former = self.denials.remove(name);
        if let Some(former) = former {
            self.world.aws.undeny(former);
        }
        if denied {
            let rule = self.world.aws.deny("ssm:GetParameters", &self.world.aws.parameter_arn(name));
            self.denials.insert(name.to_owned(), rule);
        }
    }

    async fn grant(&self, own: bool, common: bool) -> Result<()> {
        let own = own.then(|| json!({"name": "own", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"]}));
        let selector = json!({"from": "Selector", "selector": {"matchLabels": {"team": "payments"}}});
        let common = common.then(|| json!({"name": "common", "namespaces": selector, "parameters": ["/common/**"]}));
        let access: Vec<_> = own.into_iter().chain(common).collect();
        // A merge patch, because an apply would leave the rule with which the store was created.
        let patch = Patch::Merge(json!({"spec": {"access": access}}));
        stores(&self.world.client).patch(DEFAULT, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    async fn label(&self, labelled: bool) -> Result<()> {
        let namespaces = Api::<Namespace>::all(self.world.client.clone());
        let patch = json!({"metadata": {"labels": {"team": if labelled { "payments" } else { "other" }}}});
        namespaces.patch(&self.world.namespace, &PatchParams::default(), &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn apply_store(&self, manifest: &Value) -> Result<()> {
        let name = manifest["metadata"]["name"].as_str().context("a name")?;
        stores(&self.world.client).patch(name, &as_user(), &Patch::Apply(manifest)).await?;
        Ok(())
    }
}

fn stores(client: &Client) -> Api<ClusterParameterStore> {
    Api::all(client.clone())
}

/// The whole manifest is applied, so that what it no longer has is removed.
fn as_user() -> PatchParams {
    PatchParams::apply("user").force()
}
