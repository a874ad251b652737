//! Lists of objects, for commands that look once.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Resource,
    api::{ListParams, ObjectMeta},
};
use serde::de::DeserializeOwned;

use crate::{
    api::{ClusterParameterStore, ParameterStore, SecureParameter},
    kubernetes::{
        scope::{Scope, api_of},
        user_error::{is_forbidden, sentence},
    },
};

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
        secure_parameters: all(api_of(client, namespace)).await?,
        cluster_stores: all(Api::all(client.clone())).await?,
        stores: all(api_of(client, namespace)).await?,
        namespaces,
    })
}

/// Lists what the operator sees that works in these namespaces: where it may not list cluster stores, there are none, and
/// where it may not list namespaces, those of a list count as existing. Returns whether cluster stores are hidden.
///
/// # Errors
/// One sentence about the first list that fails.
pub(crate) async fn list_as_operator(client: &Client, scope: &Scope) -> Result<(Listing, bool), String> {
    let cluster_stores = permitted(Api::all(client.clone())).await?;
    let namespaces = match permitted::<Namespace>(Api::all(client.clone())).await? {
        Some(namespaces) => {
            let is_meant =
                |namespace: &Namespace| scope.contains(namespace.metadata.name.as_deref().unwrap_or_default());
            namespaces.into_iter().filter(is_meant).collect()
        }
        None => scope.parts().into_iter().flatten().map(|name| assumed(&name)).collect(),
    };
    let (mut secure_parameters, mut stores) = (Vec::new(), Vec::new());
    for namespace in scope.parts() {
        secure_parameters.extend(all(api_of(client, namespace.as_deref())).await?);
        stores.extend(all(api_of(client, namespace.as_deref())).await?);
    }
    let is_hidden = cluster_stores.is_none();
    let cluster_stores = cluster_stores.unwrap_or_default();
    Ok((Listing { secure_parameters, cluster_stores, stores, namespaces }, is_hidden))
}

fn assumed(name: &str) -> Namespace {
    Namespace { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, ..Namespace::default() }
}

/// Lists all objects, or returns `None` if that is forbidden.
pub(super) async fn permitted<K>(api: Api<K>) -> Result<Option<Vec<K>>, String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    match pages(api).await {
        Ok(objects) => Ok(Some(objects)),
        Err(error) if is_forbidden(&error) => Ok(None),
        Err(error) => Err(cannot_list::<K>(&error)),
    }
}

pub(super) async fn all<K>(api: Api<K>) -> Result<Vec<K>, String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    pages(api).await.map_err(|error| cannot_list::<K>(&error))
}

fn cannot_list<K: Resource<DynamicType = ()>>(error: &kube::Error) -> String {
    sentence(&format!("list {}", K::plural(&())), error)
}

/// Lists all objects, a page at a time.
pub(super) async fn pages<K>(api: Api<K>) -> Result<Vec<K>, kube::Error>
where
    K: Clone + Debug + DeserializeOwned,
{
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
