//! Dependencies: one TLS stack, allowed licences, known sources, and a reason for each. `deny.toml` says what is allowed,
//! for these tests and for `cargo deny`.

mod graph;
mod licences;
mod manifests;

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first quoted text of each line of a list in `deny.toml`: `"X",` or `{ crate = "X", ... },`.
fn deny_list(section: &str, key: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join("deny.toml"))?;
    let (_, section) = text.split_once(&format!("\n[{section}]")).context("no such section")?;
    let (_, list) = section.split_once(&format!("\n{key} = [\n")).context("no such list")?;
    let (list, _) = list.split_once("\n]\n").context("a list without end")?;
    list.lines().map(|line| Ok(line.split('"').nth(1).context("a line without text")?.to_owned())).collect()
}

#[test]
fn the_lists_are_read() -> Result<()> {
    assert!(deny_list("bans", "deny")?.contains(&"hyper:<1".to_owned()));
    assert!(deny_list("licenses", "allow")?.contains(&"Apache-2.0 WITH LLVM-exception".to_owned()));
    Ok(())
}
