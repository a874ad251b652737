//! The metrics themselves: complete from the start, and all documented.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, Result, bail, ensure};
use secure_parameter_operator::api::Reason;

use super::exposition::{Metrics, of_objects, of_operator, page};
use crate::{
    repo::{docs::table, pages::root},
    support::{Page, World},
};

/// Name, type and labels.
type Documented = BTreeMap<String, (String, BTreeSet<String>)>;

#[tokio::test]
async fn every_metric_is_documented() -> Result<()> {
    let text = fs::read_to_string(root().join("docs/metrics.md"))?;
    let shown = of_operator(&page().await?)?;
    assert_eq!(documented(&text, "Metric")?, names(&shown));
    assert_eq!(documented(&text, "Metric of objects")?, names(&of_objects()?));
    for file in
        ["docs/metrics.md", "docs/alerts.md", "docs/operations.md", "docs/shards.md", "docs/high-availability.md"]
    {
        let text = fs::read_to_string(root().join(file))?;
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("secureparameter_")) {
            ensure!(shown.contains_key(word), "{file}: there is no metric {word}");
        }
    }
    Ok(())
}

/// The rows of the table with this title.
fn documented(text: &str, title: &str) -> Result<Documented> {
    let mut documented = Documented::new();
    for row in table(text, title) {
        let [names, types, labels, _] = &row[..] else { bail!("not a row of four: {row:?}") };
        let labels: BTreeSet<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        for name in names {
            documented.insert((*name).to_owned(), (types.concat(), labels.clone()));
        }
    }
    Ok(documented)
}

/// Without the labels that every metric of its kind has.
fn names(metrics: &Metrics) -> Documented {
    let implied = |label: &str| label == "le" || label.starts_with("customresource_");
    let entry = |(name, metric): (&String, &super::exposition::Metric)| {
        let labels = metric.labels.keys().filter(|label| !implied(label)).cloned().collect();
        (name.clone(), (metric.type_.clone(), labels))
    };
    metrics.iter().map(entry).collect()
}

/// Without that, `rate` and `increase` do not see the first event, which may be the only one.
#[tokio::test]
async fn every_counter_begins_at_zero() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.plane.kubectl(["delete", "clusterparameterstore", "default"]).await?;
    world.start_operator().await?;
    let page = Page::parse(&world.operator().get("/metrics").await?.1)?;
    let series = |name: &str, label: &str| -> BTreeSet<String> {
        page.named(name).filter_map(|sample| sample.labels.get(label).cloned()).collect()
    };
    let mut reasons: BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str().to_owned()).collect();
    assert_eq!(series("secureparameter_objects", "reason"), reasons);
    reasons.insert("StatusWriteFailed".to_owned());
    assert_eq!(series("secureparameter_reconciles_total", "reason"), reasons);
    assert_eq!(series("secureparameter_reconciles_total", "kind").len(), 3);
    let outcomes = series("secureparameter_aws_calls_total", "outcome");
    let operations = series("secureparameter_aws_calls_total", "operation");
    let calls = page.named("secureparameter_aws_calls_total").count();
    assert_eq!((calls, outcomes.len(), operations.len()), (80, 10, 8), "each outcome of each operation");
    assert_eq!(series("secureparameter_watch_errors_total", "watch").len(), 7);
    assert_eq!(series("secureparameter_quota_wait_seconds_count", "quota").len(), 3);
    for name in ["secret_writes", "decrypted_values", "audit_records_lost"] {
        assert_eq!(page.value(&format!("secureparameter_{name}_total"), &[]), Some(0.0), "{name}");
    }
    let longest = page
        .named("secureparameter_aws_call_duration_seconds_bucket")
        .filter_map(|sample| sample.labels.get("le").filter(|bound| *bound != "+Inf")?.parse::<f64>().ok());
    assert!(longest.fold(0.0, f64::max) >= 120.0);
    Ok(())
}

#[tokio::test]
async fn figures_of_process_and_stores_are_plausible() -> Result<()> {
    let page = page().await?;
    let value = |name: &str| page.named(name).next().map(|sample| sample.value).context(name.to_owned());
    let memory = value("process_resident_memory_bytes")?;
    assert!((1e6..1e9).contains(&memory), "{memory} bytes");
    assert!(value("process_open_fds")? > 3.0 && value("process_open_fds")? < value("process_max_fds")?);
    assert!(value("process_cpu_seconds_total")? > 0.0);
    let started = value("process_start_time_seconds")?;
    let look = value("secureparameter_store_last_look_timestamp_seconds")?;
    assert!(look >= started.floor() - 1.0 && look < started + 600.0, "{look} {started}");
    let store = [("store_kind", "ClusterParameterStore"), ("store_name", "default"), ("store_namespace", "")];
    assert_eq!(page.value("secureparameter_store_ready", &store), Some(1.0));
    assert_eq!(page.value("secureparameter_store_overdue_looks", &store), Some(0.0));
    let info = page.named("secureparameter_build_info").next().context("no build info")?;
    assert_eq!(info.labels.get("version").map(String::as_str), Some(env!("CARGO_PKG_VERSION")));
    Ok(())
}
