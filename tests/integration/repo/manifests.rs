//! Every block of YAML and JSON in the pages, and every example, is what a cluster accepts.

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;
use testbed::control_plane::ControlPlane;

use super::pages::{Block, Page, root};
use crate::support::{chart, definitions, external_secrets, foreign};

#[tokio::test]
async fn every_example_is_accepted() -> Result<()> {
    let plane = ControlPlane::start_with_crds(&[definitions()?, definitions_of_others()?].concat()).await?;
    let mut count = 0;
    let mut examples = std::fs::read_dir(root().join("examples"))?.collect::<Result<Vec<_>, _>>()?;
    examples.sort_by_key(std::fs::DirEntry::path);
    for path in
        examples.iter().map(std::fs::DirEntry::path).filter(|path| path.extension().is_some_and(|e| e == "yaml"))
    {
        apply(&plane, &std::fs::read_to_string(&path)?).await.with_context(|| path.display().to_string())?;
    }
    for page in Page::all()? {
        for block in page.blocks()? {
            check(&plane, &block).await.with_context(|| block.origin.clone())?;
            count += usize::from(block.language == "yaml" && block.mark.is_empty());
        }
    }
    ensure!(count >= 20, "only {count} manifests were found");
    Ok(())
}

/// Checks a block by its language. A manifest is applied.
async fn check(plane: &ControlPlane, block: &Block) -> Result<()> {
    match (block.language.as_str(), block.mark.as_str()) {
        ("yaml", "") => apply(plane, &block.text).await,
        ("yaml", "values") => {
            let file = plane.folder().join("values.yaml");
            std::fs::write(&file, &block.text)?;
            let values = format!("--values={}", file.display());
            chart::rendered(&[&values]).await.map(drop)
        }
        ("yaml" | "yml", _) => chart::objects(&block.text).map(drop),
        ("json", _) => serde_json::from_str::<Value>(&block.text).map(drop).context("not JSON"),
        _ => Ok(()),
    }
}

/// Definitions of other software whose objects the pages name: External Secrets Operator, Argo CD and Flux. What each demands
/// of `spec` is what the originals demand.
pub fn definitions_of_others() -> Result<Vec<CustomResourceDefinition>> {
    let argo = foreign("argoproj.io/v1alpha1", "Application", "Namespaced", &["destination", "project"]);
    let required = ["interval", "prune", "sourceRef"];
    let flux = foreign("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "Namespaced", &required);
    let all = external_secrets::definitions().into_iter().chain([argo, flux]);
    Ok(all.map(serde_json::from_value).collect::<Result<_, _>>()?)
}

/// Applies manifests, in namespaces that are created first where they are missing.
pub async fn apply(plane: &ControlPlane, manifests: &str) -> Result<()> {
    for object in chart::objects(manifests)? {
        if let Some(namespace) = object["metadata"]["namespace"].as_str() {
            let create = serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            plane.kubectl_stdin(["apply", "--server-side", "-f", "-"], &create.to_string()).await?;
        }
    }
    plane.kubectl_stdin(["apply", "--server-side", "--force-conflicts", "-f", "-"], manifests).await.map(drop)
}
