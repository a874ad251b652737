//! The writes of a cold start made by a plain client, to measure the API server alone.

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

fn status(object: &SecureParameter) -> serde_json::Value {
    let condition = |kind: &str, status: &str, reason: &str| {
        json!({
            "type": kind,
            "status": status,
            "reason": reason,
            "message": format!("Secret {} holds what Parameter Store has.", object.name_any()),
            "lastTransitionTime": "2026-01-01T00:00:00Z",
            "observedGeneration": 1,
        })
    };
    json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "SecureParameter",
        "status": {
            "observedGeneration": 1,
            "conditions": [condition("Ready", "True", "Synced"), condition("Reconciling", "False", "Synced")],
            "secret": {"name": object.name_any(), "keys": 1},
            "observed": {
                "sourceRevision": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "secret": {"uid": object.uid(), "resourceVersion": "1"},
            },
        },
    })
}

fn event(object: &SecureParameter) -> serde_json::Value {
    json!({
        "metadata": {"name": format!("{}.raw", object.name_any()), "namespace": object.namespace()},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "type": "Normal",
        "action": "Decrypt",
        "reason": "ParametersDecrypted",
        "note": "GetParameters decrypted 1 parameter; request 01234567-89ab-cdef-0123-456789abcdef.",
        "reportingController": "raw",
        "reportingInstance": "raw",
        "regarding": {
            "apiVersion": "secureparameter.io/v1alpha1",
            "kind": "SecureParameter",
            "namespace": object.namespace(),
            "name": object.name_any(),
            "uid": object.uid(),
        },
    })
}
