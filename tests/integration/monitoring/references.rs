//! Alert rules and dashboard refer to metrics, labels and values that exist, and every alert has a runbook.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};

use super::{
    alerts, dashboard,
    exposition::{Metrics, of_objects, of_operator, page},
    promql::{Matcher, references},
    yaml,
};
use crate::repo::pages::root;

/// The labels that Prometheus sets on what it scrapes in Kubernetes.
const OF_TARGET: [&str; 4] = ["namespace", "job", "instance", "pod"];

#[tokio::test]
async fn alerts_and_dashboard_refer_to_what_exists() -> Result<()> {
    let mut metrics = of_operator(&page().await?)?;
    metrics.extend(of_objects()?);
    let of_alerts = alerts()?.into_iter().map(|alert| (alert.name, alert.expr));
    let mut expressions: Vec<_> = of_alerts.chain(dashboard()?).collect();
    ensure!(expressions.len() > 50, "only {} expressions were found", expressions.len());
    let series = super::exposition::list(&yaml("monitoring/alerts_test.yaml")?["tests"]);
    let series = series.iter().flat_map(|test| super::exposition::list(&test["input_series"]));
    let series = series.filter_map(|series| Some(series["series"].as_str()?.to_owned()));
    // That of another program, which must not matter.
    expressions.extend(series.filter(|series| !series.contains("other")).map(|series| (series.clone(), series)));
    for (origin, expr) in &expressions {
        check(expr, &metrics).with_context(|| format!("{origin}: {expr}"))?;
    }
    // The check itself.
    for wrong in [
        "secureparameter_object",
        r#"secureparameter_objects{cause="Synced"}"#,
        r#"secureparameter_objects{reason="Sinced"}"#,
        r#"secureparameter_objects{reason!~"Synced|Suspend"}"#,
        r#"secureparameter_aws_calls_total{operation=~"Describer.*"}"#,
        "sum by (kind) (secureparameter_objects)",
    ] {
        ensure!(check(wrong, &metrics).is_err(), "{wrong} passes");
    }
    Ok(())
}

/// Checks that an expression refers to what exists.
fn check(expr: &str, metrics: &Metrics) -> Result<()> {
    let found = references(expr)?;
    ensure!(!found.selectors.is_empty(), "no metric");
    let mut labels: BTreeSet<&str> = OF_TARGET.into();
    for selector in &found.selectors {
        let metric = metrics.get(&selector.metric).with_context(|| format!("there is no {}", selector.metric))?;
        labels.extend(metric.labels.keys().map(String::as_str));
        for Matcher { label, operator, value } in &selector.matchers {
            let Some(values) = metric.labels.get(label) else {
                ensure!(OF_TARGET.contains(&label.as_str()), "{} has no label {label}", selector.metric);
                continue;
            };
            let alternatives = if operator.contains('~') { value.split('|').collect() } else { vec![value.as_str()] };
            for value in alternatives {
                ensure!(exists(label, value, values), "{} has no {label} {value}", selector.metric);
            }
        }
    }
    for label in &found.grouping {
        ensure!(labels.contains(label.as_str()), "no metric has the label {label}");
    }
    Ok(())
}

/// Labels whose values depend on the installation. `limit`, `reason` and the like are closed lists.
const OPEN: [&str; 6] = ["account", "region", "store_kind", "store_name", "store_namespace", "le"];

fn exists(label: &str, value: &str, values: &BTreeSet<String>) -> bool {
    match value.strip_suffix(".*") {
        Some(prefix) => values.iter().any(|value| value.starts_with(prefix)),
        None => OPEN.contains(&label) || values.is_empty() || values.contains(value),
    }
}

#[test]
fn every_alert_has_a_runbook() -> Result<()> {
    let text = fs::read_to_string(root().join("docs/alerts.md"))?;
    let sections: Vec<_> = text.split("\n## ").skip(1).filter_map(|section| section.split_once('\n')).collect();
    let mut names = Vec::new();
    for alert in alerts()? {
        let Some((_, section)) = sections.iter().find(|(title, _)| *title == alert.name) else {
            anyhow::bail!("docs/alerts.md has no section {}", alert.name)
        };
        for part in ["**Meaning.**", "**Diagnosis.**", "**What to do.**", "```sh"] {
            ensure!(section.contains(part), "the runbook of {} has no {part:?}", alert.name);
        }
        let url = format!("docs/alerts.md#{}", alert.name.to_lowercase());
        assert_eq!(alert.rule["annotations"]["runbook_url"], url.as_str());
        for field in ["summary", "description"] {
            ensure!(alert.rule["annotations"][field].is_string(), "{} has no {field}", alert.name);
        }
        let severity = alert.rule["labels"]["severity"].as_str().unwrap_or_default();
        // A template decides between some of them; each may then stand in it.
        let words: Vec<_> =
            severity.split(['{', '}']).filter(|part| part.trim() == *part && !part.is_empty()).collect();
        ensure!(!words.is_empty(), "{} has no severity", alert.name);
        for word in words {
            ensure!(["critical", "warning", "info"].contains(&word), "{}: {word}", alert.name);
        }
        names.push(alert.name);
    }
    let extra: Vec<_> = sections.iter().filter(|(title, _)| !names.iter().any(|name| name == title)).collect();
    ensure!(extra.is_empty(), "runbooks without an alert: {extra:?}");
    let tested = yaml("monitoring/alerts_test.yaml")?;
    let tested: Vec<_> = super::exposition::list(&tested["tests"]).iter().map(|test| test["name"].clone()).collect();
    assert_eq!(tested, names, "each alert has a unit test");
    Ok(())
}
