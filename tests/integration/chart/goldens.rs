//! What the chart renders from each set of values in `goldens/`, byte for byte. `UPDATE=1` rewrites the files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use testbed::control_plane::ControlPlane;

use super::{arguments, folder, helm, same_as_file};
use crate::support::{definitions, foreign};

/// The files with values, in order of their names.
pub fn value_files() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder("goldens"))?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut paths: Vec<_> =
        entries.into_iter().filter(|path| path.to_string_lossy().ends_with(".values.yaml")).collect();
    paths.sort();
    ensure!(paths.len() >= 10, "only {} sets of values", paths.len());
    Ok(paths)
}

/// Arguments of `helm template` with the values of a file.
pub fn template(values: &Path) -> Vec<String> {
    arguments("template", &[&format!("--values={}", values.display())])
}

/// Our definitions, and such of the Prometheus operator as accept anything.
pub fn all_definitions() -> Result<Vec<CustomResourceDefinition>> {
    let mut all = definitions()?;
    for kind in ["ServiceMonitor", "PodMonitor", "PrometheusRule"] {
        all.push(serde_json::from_value(foreign("monitoring.coreos.com/v1", kind, "Namespaced", &[]))?);
    }
    Ok(all)
}

#[tokio::test]
async fn every_set_of_values_renders_what_it_did() -> Result<()> {
    for values in value_files()? {
        let name = values.file_name().and_then(|name| name.to_str()).context("a name")?.to_owned();
        let golden = values.with_file_name(name.replace(".values.yaml", ".yaml"));
        // Helm 4 writes empty lines between objects, and restores the default store at a rollback. Helm 3 does neither.
        let rendered = helm(&template(&values)).await?;
        let objects: Vec<_> = rendered.split("\n---\n").map(str::trim_end).collect();
        let rendered = format!("{}\n", objects.join("\n---\n"));
        let rendered = rendered.replace(": post-install\n", ": post-install,post-rollback\n");
        same_as_file(&golden, &rendered, "chart::goldens")?;
    }
    Ok(())
}

/// What a chart reads from a cluster, a GitOps tool cannot show beforehand.
#[tokio::test]
async fn a_cluster_changes_nothing_about_what_is_rendered() -> Result<()> {
    let plane = ControlPlane::start_with_crds(&all_definitions()?).await?;
    for values in value_files()? {
        let alone = helm(&template(&values)).await?;
        let mut with_cluster = template(&values);
        with_cluster.push("--dry-run=server".to_owned());
        assert_eq!(plane.helm(with_cluster).await?, alone, "{}", values.display());
    }
    for entry in fs::read_dir(super::chart().join("templates"))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        for name in [".Capabilities.APIVersions", ".Capabilities.KubeVersion", "lookup "] {
            assert!(!text.contains(name), "{}: {name}", path.display());
        }
    }
    Ok(())
}
