//! What people and their tools look at: metrics, alert rules, the dashboard, the log. Whatever these refer to exists.
//!
//! | Module | Content |
//! | --- | --- |
//! | `exposition` | the metrics that a running operator and kube-state-metrics show |
//! | `promql` | what an expression of Prometheus refers to |
//! | `metrics` | counters that begin at zero, and the table of all metrics |
//! | `references` | alert rules and dashboard refer to what exists; every alert has a runbook |
//! | `object_state` | the configuration of kube-state-metrics refers to fields that exist |
//! | `logs` | every line about an object says which, and why; the recipes that split log and audit stream |
//! | `prometheus` | on request only: promtool, and the dashboard against a real Prometheus |

mod exposition;
mod logs;
mod metrics;
mod object_state;
mod prometheus;
mod promql;
mod references;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::repo::docs::root;

/// Where the chart keeps alert rules and dashboard.
const FILES: &str = "charts/secure-parameter-operator/files/monitoring";

fn alerts_path() -> PathBuf {
    root().join(FILES).join("alerts.yaml")
}

/// An alert rule.
struct Alert {
    name: String,
    expr: String,
    rule: Value,
}

fn alerts() -> Result<Vec<Alert>> {
    let file = yaml("charts/secure-parameter-operator/files/monitoring/alerts.yaml")?;
    let rules = file["groups"].as_array().into_iter().flatten().filter_map(|group| group["rules"].as_array());
    let alert = |rule: &Value| {
        let text = |field: &str| Ok::<_, anyhow::Error>(rule[field].as_str().context("no text")?.to_owned());
        Ok(Alert { name: text("alert")?, expr: text("expr")?, rule: rule.clone() })
    };
    rules.flatten().map(alert).collect()
}

/// The titles and expressions of the dashboard, with values for its variables.
fn dashboard() -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(root().join(FILES).join("dashboard.json"))?;
    let dashboard: Value = serde_json::from_str(&text)?;
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().context("no panels")? {
        let title = panel["title"].as_str().context("a panel without title")?;
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().context("a target without expression")?;
            let expr = expr.replace("$__rate_interval", "1m").replace("$namespace", ".*").replace("$job", ".*");
            queries.push((title.to_owned(), expr));
        }
    }
    Ok(queries)
}

/// A YAML file of the repository.
fn yaml(path: &str) -> Result<Value> {
    let text = fs::read_to_string(root().join(path)).with_context(|| path.to_owned())?;
    serde_yaml::from_str(&text).with_context(|| path.to_owned())
}
