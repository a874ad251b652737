//! The API server accepts what the chart renders, under the restricted Pod Security standard.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;

use super::{
    FULLNAME, NAMESPACE, RELEASE, find,
    goldens::{all_definitions, template, value_files},
    helm, rendered,
};
use crate::support::chart::objects;

#[tokio::test]
async fn the_api_server_accepts_every_object() -> Result<()> {
    let plane = ControlPlane::start_with_crds(&all_definitions()?).await?;
    let label = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": label}});
    apply(&plane, &namespace, &[]).await?;

    for namespace in ["shop", "billing", "parameters", "monitoring"] {
        plane.kubectl(["create", "namespace", namespace]).await?;
    }
    for values in value_files()? {
        for object in objects(&helm(&template(&values)).await?)? {
            let applied = apply(&plane, &object, &["--dry-run=server", "--validate=strict"]).await;
            let output = applied.with_context(|| values.display().to_string())?;
            assert!(output.contains("(server dry run)"), "{output}");
        }
    }
    let objects = rendered(&[]).await?;
    // A pod is admitted only if its ServiceAccount exists.
    apply(&plane, find(&objects, "ServiceAccount", FULLNAME)?, &[]).await?;
    let mut pod = pod(&objects)?;
    apply(&plane, &pod, &["--dry-run=server"]).await?;
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refused = apply(&plane, &pod, &["--dry-run=server"]).await.expect_err("the standard is enforced");
    assert!(refused.to_string().contains("violates PodSecurity \"restricted:latest\""), "{refused}");
    Ok(())
}

async fn apply(plane: &ControlPlane, object: &Value, more: &[&str]) -> Result<String> {
    plane.kubectl_stdin([&["apply", "-f", "-"], more].concat(), &object.to_string()).await
}

/// The pod that the chart's Deployment would create.
fn pod(objects: &[Value]) -> Result<Value> {
    let deployment = find(objects, "Deployment", FULLNAME)?;
    let mut pod = deployment["spec"]["template"].clone();
    let labels = pod["metadata"]["labels"].as_object().context("labels")?;
    let selector = deployment["spec"]["selector"]["matchLabels"].as_object().context("a selector")?;
    assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "the Deployment selects its own pods");
    assert_eq!(selector["app.kubernetes.io/instance"], RELEASE);
    pod["apiVersion"] = json!("v1");
    pod["kind"] = json!("Pod");
    pod["metadata"]["name"] = json!("operator");
    pod["metadata"]["namespace"] = json!(NAMESPACE);
    Ok(pod)
}
