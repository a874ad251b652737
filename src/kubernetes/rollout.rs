//! Restarts workloads as `kubectl rollout restart` does: by an annotation on the pod template.

use k8s_openapi::{
    api::apps::v1::{DaemonSet, Deployment, StatefulSet},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, Error, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::kubernetes::secrets::errors::truncate;
use crate::{
    api::{RestartTarget, WorkloadKind, names},
    domain::schedule::restart::{Rollout, label_selector},
};

/// Largest assumed difference between the clocks of operator and API server, in seconds. A workload that seems younger
/// than the change by no more than this is restarted.
const CLOCK_SKEW: i64 = 30;

/// Restarts workloads.
#[derive(Clone)]
pub(crate) struct Rollouts {
    client: Client,
}

impl Rollouts {
    /// Creates the requests on top of `client`.
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Restarts the workloads of a target, and returns the result for each by kind and name. A workload is left alone
    /// if its pods already have this annotation with this value, or if it was created after `changed`.
    pub(crate) async fn restart(
        &self,
        namespace: &str,
        target: &RestartTarget,
        annotation: (&str, &str),
        changed: Option<&Time>,
    ) -> Vec<(String, Rollout)> {
        let api = self.api(namespace, target.kind);
        let kind = format!("{:?}", target.kind);
        let workloads = match find(&api, target).await {
            Ok(workloads) if workloads.is_empty() => {
                return vec![(format!("{kind} by selector"), Rollout::NoneSelected)];
            }
            Ok(workloads) => workloads,
            Err(error) => {
                let name = target.name.as_deref().unwrap_or("by selector");
                return vec![(format!("{kind} {name}"), failed(&error))];
            }
        };
        let mut rollouts = Vec::new();
        for workload in workloads {
            let rollout = if changed.is_some_and(|changed| is_newer(&workload, changed)) {
                Rollout::Newer
            } else {
                restart(&api, &workload, annotation).await
            };
            rollouts.push((format!("{kind} {}", workload.name_any()), rollout));
        }
        rollouts
    }

    fn api(&self, namespace: &str, kind: WorkloadKind) -> Api<DynamicObject> {
        let resource = match kind {
            WorkloadKind::Deployment => ApiResource::erase::<Deployment>(&()),
            WorkloadKind::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            WorkloadKind::DaemonSet => ApiResource::erase::<DaemonSet>(&()),
        };
        Api::namespaced_with(self.client.clone(), namespace, &resource)
    }
}

async fn find(api: &Api<DynamicObject>, target: &RestartTarget) -> Result<Vec<DynamicObject>, Error> {
    match (&target.name, &target.selector) {
        (Some(name), _) => Ok(vec![api.get(name).await?]),
        (None, Some(selector)) => {
            let params = ListParams::default().labels(&label_selector(selector));
            Ok(api.list(&params).await?.items)
        }
        (None, None) => Ok(Vec::new()),
    }
}

fn is_newer(workload: &DynamicObject, changed: &Time) -> bool {
    let created = workload.metadata.creation_timestamp.as_ref();
    created.is_some_and(|created| created.0.as_second() > changed.0.as_second() + CLOCK_SKEW)
}

async fn restart(api: &Api<DynamicObject>, workload: &DynamicObject, (annotation, value): (&str, &str)) -> Rollout {
    let spec = &workload.data["spec"];
    if spec["template"]["metadata"]["annotations"][annotation] == value {
        return Rollout::Started;
    }
    if spec["paused"] == true {
        return Rollout::Paused;
    }
    let patch = json!({
        "metadata": {"uid": workload.metadata.uid},
        "spec": {"template": {"metadata": {"annotations": {annotation: value}}}},
    });
    let params = PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_metadata(&workload.name_any(), &params, &Patch::<Value>::Merge(patch)).await {
        Ok(_) if spec["updateStrategy"]["type"] == "OnDelete" => Rollout::OnDelete,
        Ok(_) => Rollout::Started,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Rollout {
    match error {
        Error::Api(status) if status.code == 404 => Rollout::Missing,
        Error::Api(status) if status.code == 403 => Rollout::Forbidden,
        Error::Api(status) => {
            Rollout::Failed(format!("the API server answered {}: {}", status.code, truncate(&status.message)))
        }
        _ => Rollout::Failed("the API server cannot be reached".to_owned()),
    }
}
