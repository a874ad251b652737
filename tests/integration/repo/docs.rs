//! The documentation agrees with the code: its examples are accepted, its lists are complete, its links work.

use std::{
    fs,
    path::{Path, PathBuf},
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
        report::next_step::next_step,
    },
};
use testbed::control_plane::ControlPlane;

use crate::support::definitions;

pub fn root() -> &'static Path {
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
pub fn yaml_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next())
}

/// The rows of the table whose first column has this title. Of each cell, the texts in backticks.
pub fn table<'a>(text: &'a str, title: &str) -> Vec<Vec<Vec<&'a str>>> {
    let header = format!("| {title} |");
    let lines = text.lines().skip_while(|line| !line.starts_with(&header)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    let code = |cell: &'a str| cell.split('`').skip(1).step_by(2).collect();
    rows.map(|row| row.trim_matches('|').split('|').map(code).collect()).collect()
}

#[tokio::test]
async fn every_example_is_accepted() -> Result<()> {
    let plane = ControlPlane::start_with_crds(&definitions()?).await?;
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
    // The plugin says the same as the page.
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    for (row, reason) in rows.zip(Reason::ALL) {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().context("a cell")?;
        assert_eq!(plain(cell), next_step(*reason), "{reason}");
    }
    Ok(())
}

/// Markdown without its code marks and link targets.
fn plain(markdown: &str) -> String {
    let mut parts = markdown.split("](");
    let first = parts.next().unwrap_or_default().to_owned();
    let text = parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, rest)| rest));
    text.replace(['`', '['], "")
}

#[test]
fn every_link_has_a_target() -> Result<()> {
    for path in files(".", "md")?.into_iter().chain(files("docs", "md")?) {
        let text = fs::read_to_string(&path)?;
        // Links within code are ignored.
        let text: String = text.split('`').step_by(2).collect();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = path.parent().context("a folder")?.join(link.split('#').next().unwrap_or_default());
            assert!(link.contains("://") || target.exists(), "{}: {link}", path.display());
        }
    }
    Ok(())
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
