//! A status that cannot be written.

use anyhow::Result;
use kube::api::{Patch, PatchParams};
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object};

#[tokio::test]
async fn a_status_that_cannot_be_written_causes_no_second_decryption() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    for manifest in no_status() {
        world.apply(&manifest).await?;
    }
    let (params, patch) = (PatchParams::default().dry_run(), Patch::Merge(json!({"status": {"parameterCount": 1}})));
    eventually("the policy to be in force", PATIENCE, async || {
        let patched = world.api::<SecureParameter>().patch_status("checkout", &params, &patch).await;
        Ok(patched.is_err_and(|error| error.to_string().contains("no-status")).then_some(()))
    })
    .await?;

    world.start_operator().await?;
    eventually("the status to be written again", PATIENCE, async || {
        let tries = world.operator().log()?.matches("the status of a SecureParameter could not be written").count();
        Ok((tries >= 3).then_some(()))
    })
    .await?;
    assert_eq!(world.aws.decrypts(), 1);
    world.plane.kubectl(["delete", "validatingadmissionpolicybinding", "no-status"]).await?;
    world.synced("checkout").await?;
    assert_eq!(world.aws.decrypts(), 1);
    let events = world.events("checkout").await?;
    assert!(events.iter().any(|event| event.reason.as_deref() == Some("ParameterDecrypted")), "{events:?}");
    Ok(())
}

/// An admission policy that refuses every write of the status of a `SecureParameter`.
fn no_status() -> [Value; 2] {
    let rule = json!({
        "apiGroups": ["secureparameter.io"],
        "apiVersions": ["*"],
        "operations": ["UPDATE"],
        "resources": ["secureparameters/status"],
    });
    let kind = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "no-status"},
            "spec": spec,
        })
    };
    [
        kind(
            "ValidatingAdmissionPolicy",
            json!({"matchConstraints": {"resourceRules": [rule]}, "validations": [{"expression": "false"}]}),
        ),
        kind("ValidatingAdmissionPolicyBinding", json!({"policyName": "no-status", "validationActions": ["Deny"]})),
    ]
}
