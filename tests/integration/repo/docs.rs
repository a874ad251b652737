//! The documentation agrees with the code: its lists are complete.

use std::fs;

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

use super::pages::root;

/// The rows of the table whose first column has this title. Of each cell, the texts in backticks.
pub fn table<'a>(text: &'a str, title: &str) -> Vec<Vec<Vec<&'a str>>> {
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
