//! The objects of External Secrets Operator, as they stand in the cluster.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, TypeMeta},
};
use serde_json::Value;

use crate::{
    domain::migrate::group::GROUP,
    kubernetes::{listing::pages, user_error::is_forbidden},
};

/// The versions that ESO has served, the newest first. All have the same objects.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
/// The kind without which there is nothing to translate.
const EXTERNAL_SECRETS: &str = "externalsecrets";

/// Lists the ExternalSecrets and SecretStores of a namespace, or of all, and the ClusterSecretStores. Where the user may
/// not list stores, or the cluster has no such kind, there are none: what reads from them is translated as without store.
///
/// # Errors
/// One sentence about the first list that fails.
pub(crate) async fn list(client: &Client, namespace: Option<&str>) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for (kind, plural, is_namespaced) in [
        ("ExternalSecret", EXTERNAL_SECRETS, true),
        ("SecretStore", "secretstores", true),
        ("ClusterSecretStore", "clustersecretstores", false),
    ] {
        let namespace = namespace.filter(|_| is_namespaced);
        let found = list_kind(client, namespace, kind, plural).await;
        objects.extend(found.or_else(|error| without(&error, plural))?);
    }
    Ok(objects)
}

/// Returns what stands in place of a list that failed.
fn without(error: &kube::Error, plural: &str) -> Result<Vec<Value>, String> {
    let is_served = !matches!(error, kube::Error::Api(status) if status.code == 404);
    match plural {
        EXTERNAL_SECRETS if !is_served => Err(format!(
            "Cannot list {plural}.{GROUP}: External Secrets Operator is not installed in this cluster; check the context of \
             the kubeconfig, or name files with manifests."
        )),
        EXTERNAL_SECRETS if is_forbidden(error) => Err(format!(
            "Cannot list {plural}.{GROUP}, because this user may not ({error}); name a namespace that this user may read \
             with --namespace, or ask for the right to list them."
        )),
        EXTERNAL_SECRETS => Err(cannot_list(error, plural)),
        _ if !is_served || is_forbidden(error) => Ok(Vec::new()),
        _ => Err(cannot_list(error, plural)),
    }
}

fn cannot_list(error: &kube::Error, plural: &str) -> String {
    format!("Cannot list {plural}.{GROUP} ({error}); check the kubeconfig and the rights of this user.")
}

/// Lists the objects of one kind in the newest version that the cluster serves.
async fn list_kind(
    client: &Client,
    namespace: Option<&str>,
    kind: &str,
    plural: &str,
) -> Result<Vec<Value>, kube::Error> {
    let mut newer = None;
    for version in VERSIONS {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, version, kind), plural);
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        match pages(api).await {
            Ok(objects) => {
                let types = TypeMeta { api_version: resource.api_version.clone(), kind: kind.to_owned() };
                let values = objects
                    .into_iter()
                    .map(|object| serde_json::to_value(DynamicObject { types: Some(types.clone()), ..object }));
                return values.collect::<Result<_, _>>().map_err(kube::Error::SerdeError);
            }
            // This version is not served.
            Err(kube::Error::Api(status)) if status.code == 404 => newer = Some(kube::Error::Api(status)),
            Err(error) => return Err(error),
        }
    }
    newer.map_or(Ok(Vec::new()), Err)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn stores_that_cannot_be_seen_are_none() {
        for (code, plural, expected) in [
            (403, "secretstores", Ok(())),
            (404, "clustersecretstores", Ok(())),
            (403, "clustersecretstores", Ok(())),
            (500, "clustersecretstores", Err("check the kubeconfig")),
            (404, EXTERNAL_SECRETS, Err("External Secrets Operator is not installed in this cluster")),
            (403, EXTERNAL_SECRETS, Err("--namespace")),
            (500, EXTERNAL_SECRETS, Err("check the kubeconfig")),
        ] {
            let error = kube::Error::Api(Status { code, ..Status::default() }.boxed());
            match (without(&error, plural), expected) {
                (Ok(objects), Ok(())) => assert!(objects.is_empty()),
                (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
                (found, expected) => unreachable!("{code} {plural}: {found:?} instead of {expected:?}"),
            }
        }
    }
}
