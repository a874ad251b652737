//! `deploy/install.yaml`: what the chart renders from its defaults, for kubectl alone. `UPDATE=1` rewrites it.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{control_plane::ControlPlane, wait::eventually};

use super::{chart, helm, repository, same_as_file};
use crate::support::{PATIENCE, chart::objects};

/// Name of release and namespace, and so of most objects.
const NAME: &str = "secure-parameter-operator";

/// The largest object. Client-side apply stores it in an annotation, and Kubernetes limits all annotations of an object to
/// 262,144 bytes (apimachinery, `TotalAnnotationSizeLimitB`).
const MOST_BYTES: usize = 200_000;

/// The text above the objects.
const HEAD: &str = "\
# The operator with its definitions, roles and admission policies: what the Helm chart renders from its defaults.
# kubectl apply -f deploy/install.yaml
# Generated: UPDATE=1 cargo test --test integration chart::deploy
apiVersion: v1
kind: Namespace
metadata:
  name: secure-parameter-operator
  labels:
    pod-security.kubernetes.io/enforce: restricted
";

/// What only Helm reads.
const OF_HELM: [&str; 3] = ["# Source: ", "    helm.sh/chart: ", "    app.kubernetes.io/managed-by: Helm"];

/// All objects for kubectl, with the comments of the templates, and without what only Helm reads.
async fn manifest() -> Result<String> {
    let chart = chart().display().to_string();
    let rendered = helm(&["template", NAME, &chart, "--namespace", NAME].map(str::to_owned)).await?;
    let kept = "  annotations:\n    helm.sh/resource-policy: keep\n";
    let rendered = rendered.replace(kept, "");
    let lines =
        rendered.lines().filter(|line| !line.trim().is_empty() && !OF_HELM.iter().any(|mark| line.starts_with(mark)));
    Ok(lines.fold(HEAD.to_owned(), |text, line| text + line + "\n"))
}

#[tokio::test]
async fn the_file_is_what_the_chart_renders() -> Result<()> {
    let text = manifest().await?;
    same_as_file(&repository().join("deploy/install.yaml"), &text, "chart::deploy")?;
    for object in objects(&text)? {
        let marks = ["labels", "annotations"].map(|field| object["metadata"][field].to_string().to_lowercase());
        ensure!(!marks.concat().contains("helm"), "Helm does not manage {object}");
        let size = object.to_string().len();
        ensure!(size < MOST_BYTES, "{} {} has {size} bytes", object["kind"], object["metadata"]["name"]);
    }
    Ok(())
}

/// The resource version of each object of a list of manifests.
async fn versions(plane: &ControlPlane, manifests: &str) -> Result<BTreeMap<String, String>> {
    let shown = plane.kubectl_stdin(["get", "-f", "-", "--output=json"], manifests).await?;
    let shown: Value = serde_json::from_str(&shown)?;
    let mut found = BTreeMap::new();
    for item in shown["items"].as_array().context("items")? {
        let metadata = &item["metadata"];
        found.insert(format!("{} {}", item["kind"], metadata["name"]), metadata["resourceVersion"].to_string());
    }
    Ok(found)
}

/// Waits until the cluster has written all that it writes about new objects. No controller of the test bed writes about
/// Deployments.
async fn settled(plane: &ControlPlane, manifests: &str) -> Result<BTreeMap<String, String>> {
    let established = "{.items[*].status.conditions[?(@.type=='Established')].status}";
    for (kind, path, expected) in [
        ("crds", established, "True True True"),
        ("validatingadmissionpolicies", "{.items[*].status.observedGeneration}", "1 1"),
    ] {
        let output = format!("--output=jsonpath={path}");
        eventually(&format!("{path} of {kind} to be {expected}"), PATIENCE, async || {
            Ok((plane.kubectl(["get", kind, &output]).await? == expected).then_some(()))
        })
        .await?;
    }
    versions(plane, manifests).await
}

#[tokio::test]
async fn applying_it_twice_changes_nothing_the_second_time() -> Result<()> {
    let text = fs::read_to_string(repository().join("deploy/install.yaml"))?;
    let plane = ControlPlane::start().await?;
    let folder = repository().join("deploy").display().to_string();
    plane.kubectl_stdin(["apply", "-f", "-"], &text).await?;
    let first = settled(&plane, &text).await?;
    ensure!(first.len() >= 17, "{first:#?}");
    // The folder is the same for kustomize.
    for arguments in [["apply", "-f", "-"], ["apply", "-k", &folder]] {
        let said = plane.kubectl_stdin(arguments, &text).await?;
        // Of the selector of a budget kubectl thinks that it changes, whatever it is: its patch strategy is `replace`
        // (k8s.io/api, policy/v1 PodDisruptionBudgetSpec). The API server knows better.
        let changed =
            said.lines().filter(|line| !line.ends_with(" unchanged") && !line.starts_with("poddisruptionbudget"));
        assert_eq!(changed.collect::<Vec<_>>(), [""; 0]);
        assert_eq!(said.lines().count(), first.len());
        assert_eq!(versions(&plane, &text).await?, first);
    }
    Ok(())
}

/// As Argo CD and Flux apply it.
#[tokio::test]
async fn server_side_apply_changes_nothing_the_second_time() -> Result<()> {
    let text = fs::read_to_string(repository().join("deploy/install.yaml"))?;
    let plane = ControlPlane::start().await?;
    let apply = ["apply", "--server-side", "--field-manager=gitops", "-f", "-"];
    plane.kubectl_stdin(apply, &text).await?;
    settled(&plane, &text).await?;
    // Where the status was applied in the same second, the API server puts the managers of the fields in order once.
    plane.kubectl_stdin(apply, &text).await?;
    let first = versions(&plane, &text).await?;
    plane.kubectl_stdin(apply, &text).await?;
    assert_eq!(versions(&plane, &text).await?, first);
    Ok(())
}

#[tokio::test]
async fn the_definitions_alone_are_a_folder_for_kustomize() -> Result<()> {
    let plane = ControlPlane::start().await?;
    let folder = repository().join("crds").display().to_string();
    plane.kubectl(["apply", "-k", &folder]).await?;
    for flag in ["-k", "-f"] {
        let said = plane.kubectl(["apply", flag, &folder]).await?;
        assert_eq!(said.lines().filter(|line| line.ends_with(" unchanged")).count(), 3, "{said}");
    }
    Ok(())
}
