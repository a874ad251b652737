//! The writes of a cold start made by a plain client, to measure the API server alone. They have the content of the
//! operator's, since the API server takes longer for larger objects.

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use secure_parameter_operator::api::SecureParameter;
use serde_json::json;

use crate::{
    fleet::Fleet,
    measurement::{Measurement, Row},
    support::World,
};

/// Number of concurrent reconciles of the operator.
const CONCURRENCY: usize = 64;
const TIME: &str = "2026-01-01T00:00:00Z";
const REQUEST: &str = "01234567-89ab-cdef-0123-456789abcdef";
const PRINCIPAL: &str = "arn:aws:sts::111122223333:assumed-role/secure-parameter-operator/demo";

/// Creates the objects, and measures how long the writes for them take.
pub async fn run(fleet: Fleet, name: &str) -> Result<Row> {
    let mut world = fleet.world().await?;
    let objects = fleet.list(&world).await?;
    let measurement = Measurement::begin(&mut world, name).await?;
    let writes = stream::iter(&objects).map(|object| write(&world, object)).buffer_unordered(CONCURRENCY);
    writes.try_collect::<()>().await?;
    measurement.end(&mut world).await
}

async fn write(world: &World, object: &SecureParameter) -> Result<()> {
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    let apply = PatchParams::apply("raw").force();
    let secrets = Api::<Secret>::namespaced(world.client.clone(), &namespace);
    secrets.patch(&name, &apply, &Patch::Apply(secret(object))).await?;
    let objects = Api::<SecureParameter>::namespaced(world.client.clone(), &namespace);
    objects.patch_status(&name, &apply, &Patch::Apply(status(object))).await?;
    let event: Event = serde_json::from_value(event(object))?;
    Api::namespaced(world.client.clone(), &namespace).create(&PostParams::default(), &event).await?;
    Ok(())
}

/// The Secret, as the operator writes it.
fn secret(object: &SecureParameter) -> serde_json::Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": object.name_any(),
            "labels": {"app.kubernetes.io/managed-by": "raw", "secureparameter.io/owner-uid": object.uid()},
            "annotations": {"secureparameter.io/owner": object.name_any()},
            "ownerReferences": [{
                "apiVersion": "secureparameter.io/v1alpha1",
                "kind": "SecureParameter",
                "controller": true,
                "name": object.name_any(),
                "uid": object.uid(),
            }],
        },
        "data": {"KEY_0": "dmFsdWU="},
    })
}

/// The status after a first sync.
fn status(object: &SecureParameter) -> serde_json::Value {
    let name = object.name_any();
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "SecureParameter",
        "status": {
            "observedGeneration": 1,
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "Synced",
                "message": format!("Secret {name} holds 1 key from 1 parameter."),
                "lastTransitionTime": TIME,
                "observedGeneration": 1,
            }],
            "store": {"kind": "ClusterParameterStore", "name": "default"},
            "secret": {"name": name, "keys": 1},
            "parameters": [{
                "arn": arn(object),
                "keys": ["KEY_0"],
                "lastModifiedTime": TIME,
                "type": "SecureString",
                "version": 1,
            }],
            "parameterCount": 1,
            "lastChangeTime": TIME,
            "lastAccess": {"eventName": "GetParameters", "principal": PRINCIPAL, "requestID": REQUEST, "time": TIME},
            "observed": {
                "sourceRevision": "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "secret": {"uid": object.uid(), "resourceVersion": "1234"},
            },
        },
    })
}

/// The Event of the access.
fn event(object: &SecureParameter) -> serde_json::Value {
    let (name, namespace, arn) = (object.name_any(), object.namespace(), arn(object));
    let parameters = json!([{"arn": arn, "outcome": "Decrypted", "type": "SecureString", "version": 1}]);
    json!({
        "metadata": {
            "name": format!("{name}.0123456789abcdef"),
            "namespace": namespace,
            "annotations": {
                "secureparameter.io/audit-id": REQUEST,
                "secureparameter.io/parameters": parameters.to_string(),
                "secureparameter.io/principal": PRINCIPAL,
                "secureparameter.io/request-id": REQUEST,
            },
        },
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "action": "GetParameters",
        "reason": "ParameterDecrypted",
        "note": format!("Read {arn} version 1 (GetParameters as {PRINCIPAL}, request {REQUEST})"),
        "reportingController": "raw",
        "reportingInstance": "raw",
        "regarding": {
            "apiVersion": "secureparameter.io/v1alpha1",
            "kind": "SecureParameter",
            "namespace": namespace,
            "name": name,
            "uid": object.uid(),
        },
        "related": {"apiVersion": "v1", "kind": "Secret", "namespace": namespace, "name": name},
    })
}

/// ARN of the one parameter of the object.
fn arn(object: &SecureParameter) -> String {
    let namespace = object.namespace().unwrap_or_default();
    format!("arn:aws:ssm:eu-central-1:111122223333:parameter/{namespace}/{}/0", object.name_any())
}
