//! The API server accepts what the chart renders, under the restricted Pod Security standard.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;

use super::{FULLNAME, NAMESPACE, RELEASE, find, rendered};
use crate::support::definitions;

/// Values that enable everything optional, except objects of third-party kinds.
const EVERYTHING: &[&str] = &[
    "--api-versions=secureparameter.io/v1alpha1/ClusterParameterStore",
    "--set=defaultStore.create=true,metrics.service.create=true,aws.region=eu-central-1",
    "--set=restart.enabled=true,namespaces={default}",
    r#"--set-json=serviceAccountTokens=[{"namespace":"default","name":"reader","audiences":["it's"]}]"#,
    r#"--set-json=defaultStore.spec={"access":[{"name":"own-paths","namespaces":{"from":"All"},"parameters":["/{namespace}/**"]}]}"#,
    r#"--set-json=serviceAccount.annotations={"eks.amazonaws.com/role-arn":"arn:aws:iam::111122223333:role/operator"}"#,
    r#"--set-json=tolerations=[{"operator":"Exists"}]"#,
    r#"--set-json=nodeSelector={"kubernetes.io/os":"linux"}"#,
    r#"--set-json=topologySpreadConstraints=[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"ScheduleAnyway"}]"#,
    r#"--set-json=affinity={"nodeAffinity":{}}"#,
    r#"--set-json=extraVolumes=[{"name":"ca","configMap":{"name":"ca"}}]"#,
    r#"--set-json=extraVolumeMounts=[{"name":"ca","mountPath":"/ca"}]"#,
    r#"--set-json=imagePullSecrets=[{"name":"registry"}]"#,
    r#"--set-json=podLabels={"team":"platform"}"#,
    r#"--set-json=podAnnotations={"example.com/note":"x"}"#,
];

#[tokio::test]
async fn the_api_server_accepts_every_object() -> Result<()> {
    let plane = ControlPlane::start_with_crds(&definitions()?).await?;
    let label = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": label}});
    apply(&plane, &namespace, &[]).await?;

    let objects = rendered(EVERYTHING).await?;
    for object in &objects {
        let output = apply(&plane, object, &["--dry-run=server", "--validate=strict"]).await?;
        assert!(output.contains("(server dry run)"), "{output}");
    }
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
