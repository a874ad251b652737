//! The reference of all fields: what the schemas say, and a test for each row.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use secure_parameter_operator::api::reference;

use crate::schema::{Kind, bad_manifests};

fn page() -> Result<String> {
    Ok(fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference.md"))?)
}

#[test]
fn the_page_is_what_the_schemas_say() -> Result<()> {
    let hint = "run: cargo run --quiet -- crds --reference > docs/reference.md";
    ensure!(page()? == reference(), "docs/reference.md is out of date; {hint}");
    Ok(())
}

/// A row claims that the API server refuses what breaks its rule: a manifest of `schema` shows it.
#[test]
fn every_row_has_a_test_that_names_it() -> Result<()> {
    let page = page()?;
    let mut tested: BTreeMap<Kind, BTreeSet<&str>> = BTreeMap::new();
    for bad in bad_manifests() {
        tested.entry(bad.kind).or_default().insert(bad.field);
    }
    for kind in [Kind::SecureParameter, Kind::ClusterParameterStore, Kind::ParameterStore] {
        let (_, section) = page.split_once(&format!("\n## {kind:?}\n")).context("no such kind")?;
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows: BTreeSet<_> = section.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
        ensure!(rows.len() >= 7, "only {} rows of {kind:?} were found", rows.len());
        let tested = tested.remove(&kind).unwrap_or_default();
        let untested: Vec<_> = rows.difference(&tested).collect();
        ensure!(
            untested.is_empty(),
            "{kind:?} has fields without a bad manifest in tests/integration/schema: {untested:?}"
        );
        let unknown: Vec<_> = tested.difference(&rows).collect();
        ensure!(unknown.is_empty(), "bad manifests are about fields that {kind:?} has not: {unknown:?}");
    }
    Ok(())
}
