//! The examples for Flux, and what a team keeps in Git: applied twice, nothing changes, and health is concluded rightly.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, wait::eventually};

use super::{argocd::render, example, recorded, text};
use crate::support::{PATIENCE, World, chart::repository, definitions, sync};

/// The objects of an example.
fn documents(path: &str) -> Result<Vec<Value>> {
    let text = text(&example(path))?;
    Ok(serde_yaml::Deserializer::from_str(&text).map(Value::deserialize).collect::<Result<_, _>>()?)
}

fn find(documents: &[Value], kind: &str) -> Result<Value> {
    documents.iter().find(|document| document["kind"] == kind).cloned().context(kind.to_owned())
}

#[tokio::test]
async fn the_release_fits_the_chart_and_the_folder_exists() -> Result<()> {
    let release = find(&documents("flux/operator.yaml")?, "HelmRelease")?;
    let rendered = render(&release["spec"]["values"], "flux-values.yaml").await?;
    ensure!(rendered.contains("kind: ClusterParameterStore"), "{rendered}");
    let folder = find(&documents("flux/parameters.yaml")?, "Kustomization")?["spec"]["path"].clone();
    let folder = repository().join(folder.as_str().context("a path")?);
    ensure!(folder.join("kustomization.yaml").exists(), "{}", folder.display());
    Ok(())
}

/// Neither the operator nor the API server changes what tools applied, so that they find no drift.
#[tokio::test]
async fn what_a_team_keeps_in_git_stays_as_it_is() -> Result<()> {
    let world = World::start().await?;
    for name in ["db-password", "api-token"] {
        world.aws.put(&format!("/shop/checkout/{name}"), "value");
    }
    let folder = example("gitops/shop").display().to_string();
    let plane = &world.plane;
    plane.kubectl(["apply", "-k", &folder]).await?;
    world.reported("checkout").await?;
    sync(&world, "checkout").await?;
    // The operator finds out which keys encrypt the values after it has written the Secret, and then adds them to the status.
    let keys = "--for=jsonpath={.status.parameters[1].keyARN}";
    plane.kubectl(["wait", "--namespace=shop", "secureparameter/checkout", keys, "--timeout=60s"]).await?;
    let versions = async || -> Result<String> {
        let columns = "--output=jsonpath={.items[*].metadata.resourceVersion} {.items[*].metadata.generation}";
        plane.kubectl(["get", "secureparameters,secrets", "--namespace=shop", columns]).await
    };
    let first = versions().await?;
    let said = plane.kubectl(["apply", "-k", &folder]).await?;
    ensure!(said.lines().all(|line| line.ends_with(" unchanged")), "{said}");
    assert_eq!(plane.kubectl(["diff", "-k", &folder]).await?, "");
    assert_eq!(versions().await?, first);

    for manager in ["argocd-controller", "kustomize-controller"] {
        let manager = format!("--field-manager={manager}");
        let apply = ["apply", "--server-side", "--force-conflicts", &manager, "-k", &folder];
        plane.kubectl(apply).await?;
        sync(&world, "checkout").await?;
        let first = versions().await?;
        plane.kubectl(apply).await?;
        assert_eq!(plane.kubectl(["diff", "--server-side", "--force-conflicts", &manager, "-k", &folder]).await?, "");
        assert_eq!(versions().await?, first);
    }
    Ok(())
}

/// The expressions of the Kustomization, evaluated by the API server, on an object of each reason.
#[tokio::test]
async fn health_expressions_agree_with_health_in_argo_cd() -> Result<()> {
    let kustomization = find(&documents("flux/parameters.yaml")?, "Kustomization")?;
    let expressions = &kustomization["spec"]["healthCheckExprs"][0];
    assert_eq!(
        (&expressions["apiVersion"], &expressions["kind"]),
        (&json!("secureparameter.io/v1alpha1"), &json!("SecureParameter"))
    );
    let plane = ControlPlane::start_with_crds(&definitions()?).await?;
    plane.kubectl(["create", "namespace", "shop"]).await?;
    show_at_writes(&plane, expressions).await?;
    let mut bare = recorded::bare("SecureParameter");
    bare["metadata"].as_object_mut().context("metadata")?.remove("generation");
    plane.kubectl_stdin(["apply", "-f", "-"], &bare.to_string()).await?;
    let mut judged = 0;
    for recorded in recorded::objects("SecureParameter")? {
        let mut object = recorded.object;
        // The object in the cluster is of the first generation.
        if object["status"]["observedGeneration"].is_i64() {
            object["status"]["observedGeneration"] = json!(1);
        }
        let status = json!({"status": object["status"]}).to_string();
        let holding = eventually("the policies to act", PATIENCE, async || holding(&plane, &status).await).await?;
        let expected = match recorded.health.0 {
            "Degraded" => "failed",
            // Of a suspended object the last Ready counts.
            "Healthy" | "Suspended" => "current",
            _ => "inProgress",
        };
        assert_eq!(holding, expected, "{}", recorded.name);
        judged += 1;
    }
    ensure!(judged > 30, "only {judged}");
    Ok(())
}

/// Makes the API server refuse each status with a message that names the first expression that holds.
async fn show_at_writes(plane: &ControlPlane, expressions: &Value) -> Result<()> {
    let expression = |name: &str| {
        let text = expressions[name].as_str().unwrap_or_default();
        let fields = ["status.conditions", "status.observedGeneration", "metadata.generation"];
        fields.iter().fold(text.to_owned(), |text, field| text.replace(field, &format!("object.{field}")))
    };
    // In this order Flux evaluates them (fluxcd/pkg, runtime/cel).
    let [progress, failed, current] = ["inProgress", "failed", "current"].map(expression);
    let message = format!(
        "'holds: ' + (({progress}) ? 'inProgress' : ({failed}) ? 'failed' : ({current}) ? 'current' : 'none') + '.'"
    );
    let rule = json!({
        "apiGroups": ["secureparameter.io"], "apiVersions": ["*"], "operations": ["UPDATE"],
        "resources": ["secureparameters/status"],
    });
    let base = |kind: &str| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "show"}});
    let (mut policy, mut binding) = (base("ValidatingAdmissionPolicy"), base("ValidatingAdmissionPolicyBinding"));
    policy["spec"] = json!({
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "messageExpression": message}],
    });
    binding["spec"] = json!({"policyName": "show", "validationActions": ["Deny"]});
    for manifest in [policy, binding] {
        plane.kubectl_stdin(["apply", "-f", "-"], &manifest.to_string()).await?;
    }
    Ok(())
}

/// The first expression that holds for a status. `None` while the policy does not act yet.
async fn holding(plane: &ControlPlane, status: &str) -> Result<Option<String>> {
    let patch = ["patch", "sparam", "checkout", "--namespace=shop", "--subresource=status", "--type=merge"];
    let patch = patch.iter().copied().chain(["--dry-run=server", "--patch-file=/dev/stdin"]);
    let Err(error) = plane.kubectl_stdin(patch, status).await else { return Ok(None) };
    let error = format!("{error:#}");
    let held = error.split_once("holds: ").and_then(|(_, rest)| rest.split('.').next());
    Ok(Some(held.with_context(|| error.clone())?.to_owned()))
}
