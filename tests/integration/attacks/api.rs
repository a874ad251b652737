//! Manifests of the tenants, and requests to the API server.

use axum::http::{Method, Request, header::CONTENT_TYPE};
use kube::Client;
use serde_json::{Value, json};

/// Namespace of the attacker.
pub const A: &str = "a";
/// Namespace of the victim.
pub const B: &str = "b";

/// An object of tenant A.
pub fn manifest(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": A},
        "spec": spec,
    })
}

/// A Secret of A with an access key.
pub fn secret_of(name: &str, id: &str, key: &str) -> Value {
    let metadata = json!({"name": name, "namespace": A});
    let data = json!({"access-key-id": id, "secret-access-key": key});
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
}

/// The same object in another namespace.
pub fn within(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = json!(namespace);
    object
}

/// The path of an object in the API.
pub fn path(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]).to_lowercase());
    let root = if version == "v1" { "/api".to_owned() } else { "/apis".to_owned() };
    let namespace = object["metadata"]["namespace"].as_str().map(|namespace| format!("/namespaces/{namespace}"));
    format!("{root}/{version}{}/{kind}s/{}", namespace.unwrap_or_default(), text(&object["metadata"]["name"]))
}

/// A request to the API server. A `PATCH` with a field manager applies the body, and one without merges it.
pub fn request(method: &Method, path: &str, body: &Value) -> Request<Vec<u8>> {
    let content = match *method {
        Method::PATCH if path.contains("fieldManager") => "application/apply-patch+yaml",
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Request::builder().method(method).uri(path).header(CONTENT_TYPE, content).body(body).expect("a valid request")
}

/// Applies an object.
pub async fn apply(client: &Client, object: &Value) -> Result<Value, kube::Error> {
    let path = format!("{}?fieldManager=test&force=true", path(object));
    client.request(request(&Method::PATCH, &path, object)).await
}

/// Creates an object, or changes it if it exists. Fields that no schema knows are dropped, as with
/// `kubectl --validate=false`.
pub async fn create(client: &Client, object: &Value) -> Result<Value, kube::Error> {
    let path = path(object);
    let kind = path.rsplit_once('/').map_or(path.as_str(), |(kind, _)| kind);
    let lenient = |path: &str| format!("{path}?fieldValidation=Ignore");
    match client.request(request(&Method::POST, &lenient(kind), object)).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {
            client.request(request(&Method::PATCH, &lenient(&path), object)).await
        }
        created => created,
    }
}
