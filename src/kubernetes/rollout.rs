//! Restarts workloads as `kubectl rollout restart` does: by an annotation on their pod template.

use k8s_openapi::{
    api::apps::v1::{DaemonSet, Deployment, StatefulSet},
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::Timestamp,
};
use kube::{
    Api, Client, Error, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::{GroupVersionKind, Selector},
};
use serde_json::{Value, json};

use crate::{
    api::{RestartTarget, WorkloadKind, names},
    domain::{audit::to_rfc3339, report::restart_summary::Rollout},
    kubernetes::refusal::describe,
};

/// How many seconds the clocks of operator and API server may be apart. What is as new as that is restarted in case of
/// doubt.
const CLOCKS_APART: i64 = 30;

/// Workloads of the cluster.
#[derive(Clone)]
pub(crate) struct Rollouts {
    client: Client,
}

impl Rollouts {
    /// Uses this client.
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Restarts what a target means, except what has this very annotation and value from before, or came after `changed`.
    /// Answers with each workload by kind and name.
    pub(crate) async fn restart(
        &self,
        namespace: &str,
        target: &RestartTarget,
        annotation: (&str, &str),
        changed: Option<&Time>,
    ) -> Vec<(String, Rollout)> {
        let api = self.api(namespace, target.kind);
        let kind = format!("{:?}", target.kind);
        let found = match find(&api, target).await {
            Ok(found) => found,
            Err(error) => {
                let name = target.name.as_deref().unwrap_or("by selector");
                return vec![(format!("{kind} {name}"), failed(&error))];
            }
        };
        if found.is_empty() {
            return vec![(format!("{kind} by selector"), Rollout::NoneSelected)];
        }
        let mut rollouts = Vec::new();
        for object in found {
            let rollout = if changed.is_some_and(|changed| is_newer(&object, changed)) {
                Rollout::Newer
            } else {
                restart(&api, target.kind, &object, annotation).await
            };
            rollouts.push((format!("{kind} {}", object.name_any()), rollout));
        }
        rollouts
    }

    fn api(&self, namespace: &str, kind: WorkloadKind) -> Api<DynamicObject> {
        let resource = match kind {
            WorkloadKind::Deployment => ApiResource::erase::<Deployment>(&()),
            WorkloadKind::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            WorkloadKind::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
            WorkloadKind::Rollout => {
                let rollout = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout");
                ApiResource::from_gvk_with_plural(&rollout, "rollouts")
            }
        };
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }
}

/// The workloads that a target means.
async fn find(api: &Api<DynamicObject>, target: &RestartTarget) -> Result<Vec<DynamicObject>, Error> {
    if let Some(name) = &target.name {
        return api.get(name).await.map(|object| vec![object]);
    }
    // The schema lets no other operator pass; an empty selector would select every workload.
    match target.selector.clone().map(Selector::try_from) {
        Some(Ok(selector)) if !selector.selects_all() => {
            api.list(&ListParams::default().labels_from(&selector)).await.map(|list| list.items)
        }
        _ => Ok(Vec::new()),
    }
}

/// Reports whether a workload was created after `changed`.
fn is_newer(object: &DynamicObject, changed: &Time) -> bool {
    let created = object.metadata.creation_timestamp.as_ref();
    created.is_some_and(|created| created.0.as_second() > changed.0.as_second() + CLOCKS_APART)
}

async fn restart(
    api: &Api<DynamicObject>,
    kind: WorkloadKind,
    object: &DynamicObject,
    (annotation, value): (&str, &str),
) -> Rollout {
    let spec = &object.data["spec"];
    let is_marked = match kind {
        WorkloadKind::Rollout => object.annotations().get(annotation).is_some_and(|found| found == value),
        _ => spec["template"]["metadata"]["annotations"][annotation] == value,
    };
    if is_marked {
        return Rollout::Started;
    }
    if spec["paused"] == true {
        return Rollout::Paused;
    }
    let patch = match kind {
        // As `kubectl argo rollouts restart` does. A change of the pod template would be a new release, with all the steps
        // of its strategy, and a Rollout that refers to a Deployment has no pod template.
        WorkloadKind::Rollout => json!({
            "metadata": {"uid": object.metadata.uid, "annotations": {annotation: value}},
            "spec": {"restartAt": to_rfc3339(Timestamp::now())},
        }),
        _ => json!({
            "metadata": {"uid": object.metadata.uid},
            "spec": {"template": {"metadata": {"annotations": {annotation: value}}}},
        }),
    };
    let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_metadata(&object.name_any(), &params, &Patch::<Value>::Merge(patch)).await {
        Ok(_) if spec["updateStrategy"]["type"] == "OnDelete" => Rollout::OnDelete,
        Ok(_) => Rollout::Started,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Rollout {
    match error {
        Error::Api(status) if status.code == 404 => Rollout::Missing,
        Error::Api(status) if status.code == 403 => Rollout::Forbidden,
        error => Rollout::Failed(describe(error)),
    }
}
