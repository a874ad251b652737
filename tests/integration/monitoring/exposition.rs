//! The metrics that exist: those of a running operator, and those that kube-state-metrics makes of our objects.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use secure_parameter_operator::api::Reason;
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::yaml;
use crate::support::{PATIENCE, Page, World, object};

/// What is known of a metric: its type, and its labels with their values. No values stands for any.
#[derive(Debug, Default)]
pub struct Metric {
    pub type_: String,
    pub labels: BTreeMap<String, BTreeSet<String>>,
}

pub type Metrics = BTreeMap<String, Metric>;

/// The labels that kube-state-metrics sets itself.
const OF_OBJECTS: [&str; 3] = ["customresource_group", "customresource_version", "customresource_kind"];

/// The page of an operator that has synced one object.
pub async fn page() -> Result<Page> {
    let world = World::start().await?;
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    eventually("a look", PATIENCE, async || {
        let page = Page::parse(&world.operator().get("/metrics").await?.1)?;
        let has_look = page.named("secureparameter_store_last_look_timestamp_seconds").next().is_some();
        // The write of the status is counted after it can be seen.
        let synced = [("kind", "SecureParameter"), ("reason", "Synced")];
        let is_counted = page.value("secureparameter_reconciles_total", &synced).is_some_and(|count| count > 0.0);
        Ok((has_look && is_counted).then_some(page))
    })
    .await
}

/// The metrics of a page.
pub fn of_operator(page: &Page) -> Result<Metrics> {
    let mut metrics = Metrics::new();
    for sample in page.samples() {
        let metric = metrics.entry(sample.name.clone()).or_default();
        page.type_of_sample(sample).context("no type")?.clone_into(&mut metric.type_);
        for (label, value) in &sample.labels {
            metric.labels.entry(label.clone()).or_default().insert(value.clone());
        }
    }
    Ok(metrics)
}

/// The metrics that the configuration of kube-state-metrics makes.
pub fn of_objects() -> Result<Metrics> {
    let mut metrics = Metrics::new();
    for resource in list(&yaml("monitoring/kube-state-metrics.yaml")?["spec"]["resources"]) {
        let prefix = resource["metricNamePrefix"].as_str().context("no prefix")?;
        for metric in list(&resource["metrics"]) {
            let (each, _) = each(&metric)?;
            let name = format!("{prefix}_{}", metric["name"].as_str().context("no name")?);
            let paths = [&resource["labelsFromPath"], &each["labelsFromPath"]];
            let keys = paths.into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys).cloned();
            let keys = keys.chain(OF_OBJECTS.map(str::to_owned));
            let labels = keys.map(|key| {
                let values = if key == "reason" { reasons() } else { BTreeSet::new() };
                (key, values)
            });
            let metric = Metric { type_: "gauge".to_owned(), labels: labels.collect() };
            ensure!(metrics.insert(name.clone(), metric).is_none(), "{name} is there twice");
        }
    }
    Ok(metrics)
}

/// What a metric of kube-state-metrics is made of, and under which key that is.
pub fn each(metric: &Value) -> Result<(Value, &'static str)> {
    let key = match metric["each"]["type"].as_str() {
        Some("Gauge") => "gauge",
        Some("Info") => "info",
        other => anyhow::bail!("a type of metric that is not expected: {other:?}"),
    };
    Ok((metric["each"][key].clone(), key))
}

fn reasons() -> BTreeSet<String> {
    Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect()
}

/// The entries of a list.
pub fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
