//! Stores that bring credentials of their own, for another account than the operator's.

use kube::Api;
use secure_parameter_operator::api::ClusterParameterStore;
use serde_json::{Value, json};
use testbed::fake_aws::{Identity, PutOptions};

use super::World;

/// An account that the operator's own identity does not belong to.
pub const TENANT: &str = "444455556666";

/// The API of cluster stores.
pub fn cluster_stores(world: &World) -> Api<ClusterParameterStore> {
    Api::all(world.client.clone())
}

/// A store in the test's namespace that takes its credentials from this Secret.
pub fn namespaced_store(world: &World, name: &str, secret: &str) -> Value {
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ParameterStore",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {"identity": {"credentialsSecretRef": {"name": secret}}},
    })
}

/// A user of the tenant's account with new keys, which AWS accepts from now on.
pub fn tenant(world: &World) -> Identity {
    let identity = Identity::user(TENANT, "reader");
    world.aws.add_identity(identity.clone());
    identity
}

/// Writes a parameter of the tenant's account.
pub fn put_for_tenant(world: &World, name: &str, value: &str) {
    world.aws.put_with(name, value, PutOptions { account: Some(TENANT.to_owned()), ..PutOptions::default() });
}

/// A Secret in the test's namespace.
pub fn secret(world: &World, name: &str, data: &Value) -> Value {
    let metadata = json!({"name": name, "namespace": world.namespace});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
}

/// A Secret with the keys of an identity.
pub fn secret_of(world: &World, name: &str, identity: &Identity) -> Value {
    let mut data = json!({"access-key-id": identity.access_key_id, "secret-access-key": identity.secret_access_key});
    if let Some(token) = &identity.session_token {
        data["session-token"] = json!(token);
    }
    secret(world, name, &data)
}
