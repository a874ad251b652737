//! The objects of External Secrets Operator, as they stand in the cluster.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, TypeMeta},
};
use serde_json::Value;

/// The group of the kinds.
const GROUP: &str = "external-secrets.io";
/// The versions that ESO has served, the newest first. All have the same objects.
const VERSIONS: [&str; 2] = ["v1", "v1beta1"];
/// Most objects in one answer.
const PAGE: u32 = 500;

/// Lists the ExternalSecrets and SecretStores of a namespace, or of all, and the ClusterSecretStores.
///
/// # Errors
/// One sentence about the first list that fails.
pub(crate) async fn list(client: &Client, namespace: Option<&str>) -> Result<Vec<Value>, String> {
    let mut objects = Vec::new();
    for (kind, plural, is_namespaced) in [
        ("ExternalSecret", "externalsecrets", true),
        ("SecretStore", "secretstores", true),
        ("ClusterSecretStore", "clustersecretstores", false),
    ] {
        let namespace = namespace.filter(|_| is_namespaced);
        let found = list_kind(client, namespace, kind, plural).await;
        objects.extend(found.map_err(|error| {
            format!("Cannot list {plural}.{GROUP} ({error}); check the kubeconfig and the rights of this user.")
        })?);
    }
    Ok(objects)
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
        match pages(&api).await {
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

async fn pages(api: &Api<DynamicObject>) -> Result<Vec<DynamicObject>, kube::Error> {
    let (mut objects, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let answer = api.list(&page).await?;
        objects.extend(answer.items);
        match answer.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => return Ok(objects),
        }
    }
}
