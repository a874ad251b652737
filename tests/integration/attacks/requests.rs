//! Requests to the API server that are not A's: its rights end with its namespace and with the operator's kinds.

use anyhow::{Context, Result, bail, ensure};
use axum::http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::{
    api::{manifest, request},
    world::Tenants,
};
use crate::support::chart::{FULLNAME, NAMESPACE};

const OURS: &str = "/apis/secureparameter.io/v1alpha1";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1";

/// A request that is forbidden.
pub struct Forbidden {
    name: &'static str,
    method: Method,
    path: String,
    body: Value,
}

impl Forbidden {
    /// Checks that the API server forbids it.
    pub async fn is_forbidden(&self, world: &Tenants) -> Result<()> {
        let sent = world.tenant.request::<Value>(request(&self.method, &self.path, &self.body)).await;
        expect_forbidden(sent).context(self.name)
    }
}

fn expect_forbidden(sent: Result<Value, kube::Error>) -> Result<()> {
    match sent {
        Ok(answer) => bail!("the API server answered {answer}"),
        Err(kube::Error::Api(status)) => {
            ensure!(status.code == 403, "{}: {}", status.code, status.message);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn read(name: &'static str, path: impl Into<String>) -> Forbidden {
    Forbidden { name, method: Method::GET, path: path.into(), body: Value::Null }
}

fn send(name: &'static str, method: Method, path: impl Into<String>, body: Value) -> Forbidden {
    Forbidden { name, method, path: path.into(), body }
}

/// All requests that A tries.
pub fn requests() -> Vec<Forbidden> {
    let mut requests = reads();
    requests.extend(writes());
    requests.extend(of_the_operator());
    requests
}

fn reads() -> Vec<Forbidden> {
    vec![
        read("the Secret of B", "/api/v1/namespaces/b/secrets/honest"),
        read("all Secrets of B", "/api/v1/namespaces/b/secrets"),
        read("all Secrets", "/api/v1/secrets"),
        read("the Events of B", "/apis/events.k8s.io/v1/namespaces/b/events"),
        read("the objects of B", format!("{OURS}/namespaces/b/secureparameters")),
        read("the stores of B", format!("{OURS}/namespaces/b/parameterstores")),
        read("all objects", format!("{OURS}/secureparameters")),
        read("the stores of the cluster", format!("{OURS}/clusterparameterstores")),
        read("the labels of namespaces", "/api/v1/namespaces"),
    ]
}

fn writes() -> Vec<Forbidden> {
    let all = json!([{"name": "all", "namespaces": {"from": "All"}, "parameters": ["/**"]}]);
    let store = json!({
        "apiVersion": "secureparameter.io/v1alpha1", "kind": "ClusterParameterStore", "metadata": {"name": "mine"},
        "spec": {"access": all},
    });
    let mut object = manifest("SecureParameter", "mine", &json!({"data": []}));
    object["metadata"]["namespace"] = json!("b");
    let status = json!({"status": {"observed": {"secret": {"name": "keys", "uid": "x", "resourceVersion": "1"}}}});
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "mine", "namespace": "a"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": FULLNAME},
        "subjects": [{"kind": "ServiceAccount", "name": "tenant", "namespace": "a"}],
    });
    let label = json!({"metadata": {"labels": {"team": "b"}}});
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    vec![
        send("a store of the cluster", Method::POST, format!("{OURS}/clusterparameterstores"), store),
        send(
            "more rights in a store",
            Method::PATCH,
            format!("{OURS}/clusterparameterstores/default"),
            json!({"spec": {"access": all}}),
        ),
        send("an object of B", Method::POST, format!("{OURS}/namespaces/b/secureparameters"), object),
        send(
            "the deletion of an object of B",
            Method::DELETE,
            format!("{OURS}/namespaces/b/secureparameters/honest"),
            Value::Null,
        ),
        send(
            "the status of its own object",
            Method::PATCH,
            format!("{OURS}/namespaces/a/secureparameters/honest/status"),
            status.clone(),
        ),
        send(
            "the status of its own store",
            Method::PATCH,
            format!("{OURS}/namespaces/a/parameterstores/own/status"),
            status,
        ),
        send("a label of its namespace", Method::PATCH, "/api/v1/namespaces/a", label),
        send("a role of the operator", Method::POST, format!("{RBAC}/namespaces/a/rolebindings"), binding),
        send("a token of an account of B", Method::POST, "/api/v1/namespaces/b/serviceaccounts/reader/token", request),
    ]
}

fn of_the_operator() -> Vec<Forbidden> {
    let core = format!("/api/v1/namespaces/{NAMESPACE}");
    let token = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine", "namespace": NAMESPACE},
        "spec": {"serviceAccountName": FULLNAME, "containers": [{"name": "main", "image": "none"}]},
    });
    vec![
        read("the Secrets of the operator", format!("{core}/secrets")),
        read("the pods of the operator", format!("{core}/pods")),
        read("the log of the operator", format!("{core}/pods/operator/log")),
        read("a port of the operator", format!("{core}/pods/operator:8080/proxy/metrics")),
        send("a shell in the operator", Method::POST, format!("{core}/pods/operator/exec?command=env"), Value::Null),
        send("a pod as the operator", Method::POST, format!("{core}/pods"), pod),
        send("a token of the operator", Method::POST, format!("{core}/serviceaccounts/{FULLNAME}/token"), token),
        send(
            "an end of the admission policies",
            Method::DELETE,
            format!("{POLICIES}/validatingadmissionpolicybindings/{FULLNAME}-secrets"),
            Value::Null,
        ),
    ]
}

/// Whoever acts as the operator has its rights, so nobody may.
pub async fn nobody_impersonates_the_operator(world: &Tenants) -> Result<()> {
    for user in [format!("system:serviceaccount:{NAMESPACE}:{FULLNAME}"), "system:serviceaccount:b:reader".to_owned()] {
        let mut request = request(&Method::GET, "/api/v1/namespaces/b/secrets", &Value::Null);
        request.headers_mut().insert("Impersonate-User", HeaderValue::from_str(&user)?);
        expect_forbidden(world.tenant.request::<Value>(request).await).context(user)?;
    }
    Ok(())
}
