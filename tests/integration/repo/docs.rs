//! The documentation agrees with the code: its lists are complete.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use secure_parameter_operator::{
    api::{AccessRule, NamespaceMatch, NamespacesFrom, Reason},
    domain::{
        access::{
            grant::{Grant, validate},
            namespace::Namespace,
        },
        parameter::scope::Scope,
    },
};
use serde_json::json;
use testbed::wait::eventually;

use crate::support::{PATIENCE, World, object};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table whose first column has this title. Of each cell, the texts in backticks.
fn table<'a>(text: &'a str, title: &str) -> Vec<Vec<Vec<&'a str>>> {
    let header = format!("| {title} |");
    let lines = text.lines().skip_while(|line| !line.starts_with(&header)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let code = |cell: &'a str| cell.split('`').skip(1).step_by(2).collect();
    rows.map(|row| row.trim_matches('|').split('|').map(code).collect()).collect()
}

#[test]
fn every_reason_is_documented() -> Result<()> {
    let text = fs::read_to_string(root().join("docs/reasons.md"))?;
    let documented: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(documented, reasons);
    Ok(())
}

/// Names of metrics, each with its type and labels.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

#[tokio::test]
async fn every_metric_is_documented() -> Result<()> {
    let text = fs::read_to_string(root().join("docs/operations.md"))?;
    let mut documented = Metrics::new();
    for row in table(&text, "Metric") {
        let [names, types, labels, _] = &row[..] else { anyhow::bail!("not a row of four: {row:?}") };
        let labels: BTreeSet<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        for name in names {
            documented.insert((*name).to_owned(), (types.concat(), labels.clone()));
        }
    }
    assert_eq!(exposed().await?, documented);
    let named = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    for name in named.filter(|word| word.starts_with("secureparameter_")) {
        assert!(documented.contains_key(name), "{name} is not in the table");
    }
    Ok(())
}

/// All metrics of a running operator. A metric without a sample is not exposed, so each gets one. For errors of watches,
/// the definition of a store is missing for a while.
async fn exposed() -> Result<Metrics> {
    let world = World::start().await?;
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.synced("checkout").await?;
    world.plane.kubectl(["delete", "crd", "parameterstores.secureparameter.io"]).await?;
    let source = fs::read_to_string(root().join("src/telemetry/metrics.rs"))?;
    let registered = source.matches("registry.register(").count();
    let mut shown = 0;
    let waited = eventually("a sample of every metric", PATIENCE, async || {
        let (_, page) = world.operator().get("/metrics").await?;
        shown = page.lines().filter(|line| line.starts_with("# TYPE ")).count();
        Ok((shown >= registered).then_some(page))
    });
    let page = waited.await.with_context(|| format!("{shown} of {registered} metrics"))?;
    let mut metrics = Metrics::new();
    let mut type_ = "";
    for line in page.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            type_ = family.split(' ').nth(1).context("no type")?;
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let labels =
                line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(labels, _)| labels);
            let labels = labels.split(',').filter_map(|label| label.split_once('=')).map(|(key, _)| key.to_owned());
            // Every histogram has this label.
            let labels = labels.filter(|label| label != "le").collect();
            metrics.insert(name.to_owned(), (type_.to_owned(), labels));
        }
    }
    Ok(metrics)
}

#[test]
fn globs_match_what_the_table_says() -> Result<()> {
    let text = fs::read_to_string(root().join("docs/stores.md"))?;
    let scope = Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() };
    let namespace = Namespace { name: "shop".into(), ..Namespace::default() };
    let rows = table(&text, "Glob");
    ensure!(rows.len() >= 10, "only {} globs were found", rows.len());
    for row in rows {
        let [globs, matching, others] = &row[..] else { anyhow::bail!("not a row of three: {row:?}") };
        let [glob] = globs[..] else { anyhow::bail!("not one glob: {globs:?}") };
        let namespaces = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
        let rules = [AccessRule { namespaces, parameters: vec![glob.to_owned()], ..AccessRule::default() }];
        validate(&rules).map_err(anyhow::Error::msg)?;
        let grant = Grant::new(&rules, &namespace).map_err(anyhow::Error::msg)?;
        ensure!(!matching.is_empty() && !others.is_empty(), "an empty cell: {row:?}");
        for (names, expected) in [(matching, true), (others, false)] {
            for name in names {
                let arn = if name.starts_with("arn:") { (*name).to_owned() } else { scope.parameter_arn(name) };
                assert_eq!(grant.allows(&arn, &scope), expected, "{glob} {name}");
            }
        }
    }
    Ok(())
}

/// The map names no file that is gone, and misses no folder of layers or questions.
#[test]
fn the_map_is_that_of_the_source() -> Result<()> {
    let text = fs::read_to_string(root().join("docs/architecture.md"))?;
    let source = root().join("src");
    let (layers, questions) = (table(&text, "Folder"), table(&text, "Question"));
    ensure!(!layers.is_empty() && !questions.is_empty(), "the map has no rows");
    for name in questions.iter().flatten().flatten() {
        ensure!(source.join(name).exists(), "src/{name} does not exist");
    }
    let named: Vec<_> = layers.iter().chain(&questions).flatten().flatten().collect();
    for folder in ["", "domain/"] {
        for entry in fs::read_dir(source.join(folder))? {
            let entry = entry?;
            let name = format!("{folder}{}", entry.file_name().to_string_lossy());
            let is_named = named.iter().any(|named| {
                named.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
            });
            let is_for_tests = ["domain/policy_tables", "domain/property_tests"].contains(&name.as_str());
            ensure!(
                !entry.path().is_dir() || is_named || is_for_tests,
                "docs/architecture.md does not name src/{name}"
            );
        }
    }
    Ok(())
}
