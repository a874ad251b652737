//! The examples for Argo CD: its ConfigMap has the scripts, and its Applications fit the chart and the repository.

use std::{fmt::Write, fs};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{customization, example, text, yaml};
use crate::support::{
    chart::{chart, helm, objects, repository},
    same_as_file,
};

/// The text above the data.
const HEAD: &str = "\
# Health checks and actions for the operator's kinds. They are added to what your ConfigMap has by:
# kubectl apply --server-side --field-manager=secure-parameter-operator -f examples/argocd/argocd-cm.yaml
# Generated from resource_customizations/: UPDATE=1 cargo test --test integration gitops::argocd
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  namespace: argocd
  labels: {app.kubernetes.io/name: argocd-cm, app.kubernetes.io/part-of: argocd}
data:
";

/// `text` with each line indented.
fn indented(text: &str, by: usize) -> String {
    let margin = " ".repeat(by);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") }).collect()
}

#[test]
fn the_config_map_has_all_scripts() -> Result<()> {
    let mut map = HEAD.to_owned();
    for kind in ["SecureParameter", "ParameterStore", "ClusterParameterStore"] {
        let health = indented(&text(&customization(kind, "health.lua"))?, 4);
        writeln!(map, "  resource.customizations.health.secureparameter.io_{kind}: |\n{}", health.trim_end())?;
    }
    let script = |path: &str| text(&customization("SecureParameter", &format!("actions/{path}")));
    let mut actions = format!("discovery.lua: |\n{}definitions:\n", indented(&script("discovery.lua")?, 2));
    for action in ["refresh", "suspend", "resume"] {
        let action_lua = indented(&script(&format!("{action}/action.lua"))?, 4);
        write!(actions, "- name: {action}\n  action.lua: |\n{action_lua}")?;
    }
    write!(map, "  resource.customizations.actions.secureparameter.io_SecureParameter: |\n{}", indented(&actions, 4))?;
    same_as_file(&example("argocd/argocd-cm.yaml"), &map, "gitops::argocd")?;

    let data = &yaml(&example("argocd/argocd-cm.yaml"))?["data"];
    let actions: Value = serde_yaml::from_str(
        data["resource.customizations.actions.secureparameter.io_SecureParameter"].as_str().context("actions")?,
    )?;
    assert_eq!(actions["discovery.lua"], script("discovery.lua")?);
    assert_eq!(actions["definitions"][2]["action.lua"], script("resume/action.lua")?);
    let health = &data["resource.customizations.health.secureparameter.io_SecureParameter"];
    assert_eq!(*health, text(&customization("SecureParameter", "health.lua"))?);
    Ok(())
}

/// What Argo CD would apply has no hooks: it would delete a hook before each sync.
#[tokio::test]
async fn the_application_renders_the_chart_without_hooks() -> Result<()> {
    let application = yaml(&example("argocd/operator.yaml"))?;
    let source = &application["spec"]["source"];
    ensure!(repository().join(source["path"].as_str().context("a path")?) == chart(), "{source}");
    let rendered = render(&source["helm"]["valuesObject"], "argocd-values.yaml").await?;
    ensure!(!rendered.contains("helm.sh/hook"), "a hook");
    let store = objects(&rendered)?.into_iter().find(|object| object["kind"] == "ClusterParameterStore");
    let options = &store.context("the store")?["metadata"]["annotations"]["argocd.argoproj.io/sync-options"];
    assert_eq!(options, "SkipDryRunOnMissingResource=true");
    let path = yaml(&example("argocd/parameters.yaml"))?["spec"]["source"]["path"].clone();
    ensure!(repository().join(path.as_str().context("a path")?).join("kustomization.yaml").exists(), "{path}");
    Ok(())
}

/// What the chart renders from the values of an example.
pub async fn render(values: &Value, file: &str) -> Result<String> {
    let path = std::env::temp_dir().join(format!("{}-{file}", std::process::id()));
    fs::write(&path, values.to_string())?;
    let (chart, values) = (chart().display().to_string(), format!("--values={}", path.display()));
    let name = "secure-parameter-operator";
    let rendered = helm(&["template", name, &chart, "--namespace", name, &values].map(str::to_owned)).await;
    fs::remove_file(&path)?;
    rendered
}
