//! Lists of objects, for commands that look once.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Resource, api::ListParams, core::NamespaceResourceScope};
use serde::de::DeserializeOwned;

use crate::api::{ClusterParameterStore, ParameterStore, SecureParameter};

/// Most objects in one answer.
const PAGE: u32 = 500;

/// The objects of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// The SecureParameters.
    pub secure_parameters: Vec<SecureParameter>,
    /// The cluster stores.
    pub cluster_stores: Vec<ClusterParameterStore>,
    /// The stores of namespaces.
    pub stores: Vec<ParameterStore>,
    /// The namespaces.
    pub namespaces: Vec<Namespace>,
}

/// Lists the objects of a namespace, or of all.
///
/// # Errors
/// One sentence about the first list that fails.
pub(crate) async fn list(client: &Client, namespace: Option<&str>) -> Result<Listing, String> {
    let namespaces = match namespace {
        Some(name) => Api::all(client.clone()).get(name).await.map(|namespace| vec![namespace]).map_err(|error| {
            format!("Cannot read namespace {name} ({error}); correct its name, or let this user read it.")
        })?,
        None => all(Api::all(client.clone())).await?,
    };
    Ok(Listing {
        secure_parameters: all(within(client, namespace)).await?,
        cluster_stores: all(Api::all(client.clone())).await?,
        stores: all(within(client, namespace)).await?,
        namespaces,
    })
}

fn within<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(
    client: &Client,
    namespace: Option<&str>,
) -> Api<K> {
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

async fn all<K>(api: Api<K>) -> Result<Vec<K>, String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let (mut objects, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let answer = api.list(&page).await.map_err(|error| {
            let kind = K::plural(&());
            format!("Cannot list {kind} ({error}); check the kubeconfig and the rights of this user.")
        })?;
        objects.extend(answer.items);
        match answer.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => return Ok(objects),
        }
    }
}
