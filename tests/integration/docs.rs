//! The documentation tells the truth: its examples are accepted, and its lists are complete.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use kube::CustomResourceExt;
use secure_parameter_operator::api::{ClusterParameterStore, ParameterStore, Reason, SecureParameter};
use testbed::control_plane::ControlPlane;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root().join(folder))?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    Ok(paths)
}

/// Every YAML block of a Markdown text.
fn yaml_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

#[tokio::test]
async fn every_example_is_accepted() -> Result<()> {
    let crds = [SecureParameter::crd(), ClusterParameterStore::crd(), ParameterStore::crd()];
    let plane = ControlPlane::start_with_crds(&crds).await?;
    let mut manifests = Vec::new();
    for path in files("examples", "yaml")? {
        manifests.push((path.display().to_string(), fs::read_to_string(&path)?));
    }
    for path in files(".", "md")?.into_iter().chain(files("docs", "md")?) {
        let text = fs::read_to_string(&path)?;
        manifests.extend(yaml_blocks(&text).map(|block| (path.display().to_string(), block.to_owned())));
    }
    ensure!(manifests.len() >= 7, "only {} examples were found", manifests.len());
    plane.kubectl(["create", "namespace", "shop"]).await?;
    for (origin, manifest) in manifests {
        let applied = plane.kubectl_stdin(["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifest).await;
        applied.with_context(|| origin)?;
    }
    Ok(())
}

#[test]
fn every_reason_is_documented() -> Result<()> {
    let text = fs::read_to_string(root().join("docs/reasons.md"))?;
    let documented: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(documented, reasons);
    Ok(())
}

#[test]
fn links_lead_somewhere() -> Result<()> {
    for path in files(".", "md")?.into_iter().chain(files("docs", "md")?) {
        let text = fs::read_to_string(&path)?;
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = path.parent().context("a folder")?.join(link.split('#').next().unwrap_or_default());
            assert!(link.contains("://") || target.exists(), "{}: {link}", path.display());
        }
    }
    Ok(())
}
