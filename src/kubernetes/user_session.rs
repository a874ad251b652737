//! What the kubectl plugin asks of the API server: once, for a user, with the rights of that user.

use std::{path::PathBuf, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    api::{
        ClusterParameterStore, ParameterStore, SecureParameter, StoreKind,
        names::{PLUGIN_MANAGER, SYNC_ANNOTATION},
    },
    kubernetes::{
        client::{Clients, ClusterChoice, connect_to},
        listing::{Listing, all, permitted},
        scope::api_of,
        user_error::{is_forbidden, is_missing_object, sentence},
    },
};

/// A user's connection to a cluster, and the namespace that the user works in.
pub(crate) struct UserSession {
    clients: Clients,
    namespace: String,
}

/// The objects that a user sees.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The objects. Namespaces are not among them.
    pub(crate) listing: Listing,
    /// Whether the user may not read cluster stores.
    pub(crate) are_cluster_stores_hidden: bool,
}

/// How waiting for an object ended.
pub(crate) enum Waited {
    /// The object is as it should be.
    Holds(Box<SecureParameter>),
    /// It was deleted.
    Deleted,
    /// The time is over.
    TimedOut,
}

impl UserSession {
    /// Connects to a cluster. Without a namespace, that of the context is meant.
    ///
    /// # Errors
    /// One sentence, if there is no configuration or it is not valid.
    pub(crate) async fn open(
        kubeconfig: Option<PathBuf>,
        context: Option<String>,
        namespace: Option<String>,
    ) -> Result<Self, String> {
        let clients = connect_to(&ClusterChoice { kubeconfig, context }).await?;
        // A user takes part in no election.
        clients.leadership.lead(None);
        let namespace = namespace.unwrap_or_else(|| clients.requests.default_namespace().to_owned());
        Ok(Self { clients, namespace })
    }

    /// The namespace that the user works in.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Lists the objects of a namespace, or of all, and the cluster stores as far as the user may.
    ///
    /// # Errors
    /// One sentence about the first list that fails.
    pub(crate) async fn objects(&self, namespace: Option<&str>) -> Result<Seen, String> {
        let secure_parameters = all(api_of(&self.clients.requests, namespace)).await?;
        let stores = all(api_of(&self.clients.requests, namespace)).await?;
        let cluster_stores = self.cluster_stores().await?;
        Ok(Seen {
            are_cluster_stores_hidden: cluster_stores.is_none(),
            listing: Listing {
                secure_parameters,
                stores,
                cluster_stores: cluster_stores.unwrap_or_default(),
                namespaces: Vec::new(),
            },
        })
    }

    /// Returns one object and its store, as far as that exists and the user may read it.
    ///
    /// # Errors
    /// One sentence, if the object does not exist or cannot be read.
    pub(crate) async fn object_and_store(&self, name: &str) -> Result<Seen, String> {
        let object = self.object(name).await?;
        let mut seen = self.store_of(&object).await?;
        seen.listing.secure_parameters.push(object);
        Ok(seen)
    }

    /// Returns the store that an object names, as far as that exists and the user may read it.
    ///
    /// # Errors
    /// One sentence, if it cannot be read for another reason.
    pub(crate) async fn store_of(&self, object: &SecureParameter) -> Result<Seen, String> {
        let (mut stores, mut cluster_stores, mut is_hidden) = (Vec::new(), Vec::new(), false);
        let client = self.clients.requests.clone();
        let (kind, name) = object.spec.store();
        let found = match kind {
            StoreKind::ParameterStore => {
                let namespace = object.metadata.namespace.as_deref().unwrap_or(&self.namespace);
                let found = Api::<ParameterStore>::namespaced(client, namespace).get_opt(name).await;
                found.map(|store| stores.extend(store))
            }
            StoreKind::ClusterParameterStore => {
                let found = Api::<ClusterParameterStore>::all(client).get_opt(name).await;
                found.map(|store| cluster_stores.extend(store))
            }
        };
        match found {
            Err(error) if is_forbidden(&error) => is_hidden = true,
            Err(error) => return Err(sentence(&format!("read {} {name}", kind.as_str()), &error)),
            Ok(()) => {}
        }
        let listing = Listing { secure_parameters: Vec::new(), cluster_stores, stores, namespaces: Vec::new() };
        Ok(Seen { listing, are_cluster_stores_hidden: is_hidden })
    }

    /// Returns the cluster stores; `None` if the user may not read them.
    ///
    /// # Errors
    /// One sentence, if they cannot be read for another reason.
    pub(crate) async fn cluster_stores(&self) -> Result<Option<Vec<ClusterParameterStore>>, String> {
        permitted(Api::all(self.clients.requests.clone())).await
    }

    /// Returns the stores of the namespace; none if the user may not read them.
    ///
    /// # Errors
    /// One sentence, if they cannot be read for another reason.
    pub(crate) async fn stores(&self) -> Result<Vec<ParameterStore>, String> {
        let stores = permitted(Api::namespaced(self.clients.requests.clone(), &self.namespace)).await?;
        Ok(stores.unwrap_or_default())
    }

    /// Returns all namespaces; `None` if the user may not list them.
    ///
    /// # Errors
    /// One sentence, if they cannot be read for another reason.
    pub(crate) async fn namespaces(&self) -> Result<Option<Vec<Namespace>>, String> {
        permitted(Api::all(self.clients.requests.clone())).await
    }

    /// Returns a namespace; `None` if it does not exist or the user may not read it.
    ///
    /// # Errors
    /// One sentence, if it cannot be read for another reason.
    pub(crate) async fn find_namespace(&self, name: &str) -> Result<Option<Namespace>, String> {
        match Api::<Namespace>::all(self.clients.requests.clone()).get_opt(name).await {
            Err(error) if is_forbidden(&error) => Ok(None),
            other => other.map_err(|error| sentence(&format!("read namespace {name}"), &error)),
        }
    }

    /// Returns the SecureParameters of the namespace.
    ///
    /// # Errors
    /// One sentence, if they cannot be read.
    pub(crate) async fn secure_parameters(&self) -> Result<Vec<SecureParameter>, String> {
        all(self.api()).await
    }

    /// Returns an object.
    ///
    /// # Errors
    /// One sentence, if it does not exist or cannot be read.
    pub(crate) async fn object(&self, name: &str) -> Result<SecureParameter, String> {
        self.api().get(name).await.map_err(|error| refused("read", &self.namespace, name, &error))
    }

    /// Returns an object, if it exists.
    ///
    /// # Errors
    /// One sentence, if it cannot be read.
    pub(crate) async fn find_object(&self, namespace: &str, name: &str) -> Result<Option<SecureParameter>, String> {
        match Api::namespaced(self.clients.requests.clone(), namespace).get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if is_missing_object(&error) => Ok(None),
            Err(error) => Err(refused("read", namespace, name, &error)),
        }
    }

    /// Asks the operator for a sync with this token.
    ///
    /// # Errors
    /// One sentence, if the object does not exist or cannot be changed.
    pub(crate) async fn request_sync(&self, name: &str, token: &str) -> Result<SecureParameter, String> {
        self.patch(name, "sync", &json!({"metadata": {"annotations": {SYNC_ANNOTATION: token}}})).await
    }

    /// Sets `spec.suspend`; removes it for `None`.
    ///
    /// # Errors
    /// One sentence, if the object does not exist or cannot be changed.
    pub(crate) async fn set_suspend(&self, name: &str, suspend: Option<bool>) -> Result<(), String> {
        self.patch(name, "change", &json!({"spec": {"suspend": suspend}})).await.map(drop)
    }

    /// Waits until an object is as it should be.
    ///
    /// # Errors
    /// One sentence, if it cannot be watched.
    pub(crate) async fn wait(
        &self,
        name: &str,
        limit: Duration,
        holds: impl Fn(&SecureParameter) -> bool,
    ) -> Result<Waited, String> {
        let api: Api<SecureParameter> = Api::namespaced(self.clients.watches.clone(), &self.namespace);
        let is_over = |object: Option<&SecureParameter>| object.is_none_or(&holds);
        match timeout(limit, await_condition(api, name, is_over)).await {
            Err(_) => Ok(Waited::TimedOut),
            Ok(Ok(Some(object))) => Ok(Waited::Holds(Box::new(object))),
            Ok(Ok(None)) => Ok(Waited::Deleted),
            Ok(Err(error)) => {
                Err(format!("Cannot watch SecureParameter {}/{name} ({error}); ask for the role view.", self.namespace))
            }
        }
    }

    async fn patch(&self, name: &str, verb: &str, patch: &Value) -> Result<SecureParameter, String> {
        let params = PatchParams { field_manager: Some(PLUGIN_MANAGER.to_owned()), ..PatchParams::default() };
        let patched = self.api().patch(name, &params, &Patch::Merge(patch)).await;
        patched.map_err(|error| refused(verb, &self.namespace, name, &error))
    }

    fn api(&self) -> Api<SecureParameter> {
        Api::namespaced(self.clients.requests.clone(), &self.namespace)
    }
}

/// Says why something could not be done with an object.
fn refused(verb: &str, namespace: &str, name: &str, error: &kube::Error) -> String {
    if is_missing_object(error) {
        return format!(
            "SecureParameter {namespace}/{name} does not exist; correct the name or --namespace, or list those that exist \
             with kubectl get secureparameters."
        );
    }
    sentence(&format!("{verb} SecureParameter {namespace}/{name}"), error)
}
