//! The rights to restart workloads.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use kube::Api;
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::{Breaks, NEEDED, scenario::Right};
use crate::chart::installation::Installation;
use crate::support::{PATIENCE, foreign, object};

/// Takes the rights of one verb away, for workloads of all kinds at once, and asks for restarts that need it.
pub async fn restarts_are_refused(world: &Installation, granted: &BTreeSet<Right>) -> Result<()> {
    for manifest in workloads() {
        eventually("the workloads to be created", PATIENCE, async || Ok(world.apply(&manifest).await.ok())).await?;
    }
    let by_name = |kind: &str| json!({"kind": kind, "name": "web"});
    let by_label = |kind: &str| json!({"kind": kind, "selector": {"matchLabels": {"app": "web"}}});
    let ask = async |target: &dyn Fn(&str) -> Value, more: &str| {
        let mut targets: Vec<_> = ["Deployment", "StatefulSet", "DaemonSet", "Rollout"].map(target).into();
        targets[3]["group"] = json!("argoproj.io");
        // A new spec repeats a restart that failed.
        let spec = json!({"restart": targets, "target": {"labels": {"round": more}}});
        world.apply(&object("restarts", &[("PASSWORD", "/shop/rotating")], &spec)).await
    };
    world.aws.put("/shop/rotating", "first");
    ask(&by_name, "first").await?;
    world.secret_holds("restarts", "first").await?;
    for verb in ["get", "list", "patch"] {
        let needed =
            NEEDED.iter().filter(|(_, needed, breaks)| *needed == verb && matches!(breaks, Breaks::Restart(_)));
        let rights: Vec<_> = needed.clone().map(|(resource, ..)| ((*resource).to_owned(), verb.to_owned())).collect();
        world.take_away(&rights, granted).await?;
        world.aws.put("/shop/rotating", verb);
        ask(if verb == "list" { &by_label } else { &by_name }, verb).await?;
        for (_, _, breaks) in needed {
            let Breaks::Restart(workload) = breaks else { continue };
            world.is_restarted_says("lacks the permission", workload).await?;
        }
        world.give_back(&rights, granted).await?;
    }
    ask(&by_name, "last").await?;
    for workload in ["Deployment web", "StatefulSet web", "DaemonSet web", "Rollout web"] {
        world.is_restarted_says("Restarted because Secret restarts changed", workload).await?;
    }
    Ok(())
}

/// A workload of each kind, created before the restart that it is to take part in.
fn workloads() -> Vec<Value> {
    let definition = foreign("argoproj.io/v1alpha1", "Rollout", "Namespaced", &[]);
    let pod = json!({"containers": [{"name": "main", "image": "none"}]});
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": pod});
    let spec = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template});
    let workload = |version: &str, kind: &str| {
        let metadata = json!({"name": "web", "namespace": "shop", "labels": {"app": "web"}});
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    };
    let apps = ["Deployment", "StatefulSet", "DaemonSet"].map(|kind| workload("apps/v1", kind));
    [definition].into_iter().chain(apps).chain([workload("argoproj.io/v1alpha1", "Rollout")]).collect()
}

impl Installation {
    /// Waits until the condition Restarted has a sentence with these words that names this workload.
    async fn is_restarted_says(&self, words: &str, workload: &str) -> Result<()> {
        let objects: Api<SecureParameter> = Api::namespaced(self.client.clone(), "shop");
        let mut last = String::new();
        let what = format!("{words:?} of {workload}");
        let said = eventually(&what, PATIENCE, async || {
            let conditions = objects.get("restarts").await?.status.unwrap_or_default().conditions.clone();
            let message = conditions.into_iter().find(|condition| condition.type_ == "Restarted").map(|c| c.message);
            last = message.unwrap_or_default();
            let sentence = last.split(". ").find(|sentence| sentence.contains(words));
            Ok(sentence.is_some_and(|sentence| sentence.contains(workload)).then_some(()))
        });
        said.await.with_context(|| format!("last seen: {last}"))
    }
}
