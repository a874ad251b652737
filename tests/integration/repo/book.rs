//! The pages as a book: all links lead somewhere, and every page has its place.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::pages::{Page, root};

const SUMMARY: &str = "docs/SUMMARY.md";
/// Languages whose blocks would escape the tests of commands.
const OTHER_NAMES_OF_SHELLS: [&str; 5] = ["", "bash", "console", "shell", "zsh"];
/// What may follow the language of a block; CONTRIBUTING.md says what each means.
const MARKS: [&str; 8] = [
    "",
    "needs-aws",
    "needs-docker",
    "needs-metrics-server",
    "needs-nodes",
    "needs-prometheus",
    "needs-time",
    "values",
];

#[test]
fn every_link_has_a_target() -> Result<()> {
    let pages = Page::all()?;
    let mut broken = Vec::new();
    for page in &pages {
        let from = page.path.display();
        for link in page.links().iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (target, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if target.is_empty() { page.path.clone() } else { resolve(&page.path, target)? };
            let found = pages.iter().find(|page| page.path == target);
            if !root().join(&target).exists() {
                broken.push(format!("{from}: {link} does not exist"));
            } else if !anchor.is_empty() && !found.is_some_and(|page| page.anchors().contains(anchor)) {
                broken.push(format!("{from}: {link} has no such heading"));
            } else if page.path.starts_with("docs") && !target.starts_with("docs") {
                broken.push(format!("{from}: {link} leaves the book; name the file in backticks instead"));
            }
        }
    }
    ensure!(broken.is_empty(), "{}", broken.join("\n"));
    Ok(())
}

/// The path in the repository that a link of a page means.
fn resolve(page: &Path, link: &str) -> Result<PathBuf> {
    let mut path = page.parent().context("a folder")?.to_owned();
    for component in Path::new(link).components() {
        match component {
            Component::ParentDir => ensure!(path.pop(), "{}: {link} leaves the repository", page.display()),
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    Ok(path)
}

#[test]
fn the_summary_lists_every_page_once() -> Result<()> {
    let summary = Page::read(SUMMARY)?;
    let mut listed = summary.links().iter().map(|link| resolve(&summary.path, link)).collect::<Result<Vec<_>>>()?;
    listed.sort();
    let pages = Page::all()?.into_iter().map(|page| page.path);
    let pages: Vec<_> = pages.filter(|path| path.starts_with("docs") && path != Path::new(SUMMARY)).collect();
    assert_eq!(listed, pages);
    Ok(())
}

#[test]
fn blocks_have_a_known_language_and_mark() -> Result<()> {
    for page in Page::all()? {
        for block in page.blocks()? {
            let (language, mark, origin) = (block.language.as_str(), block.mark.as_str(), &block.origin);
            ensure!(!OTHER_NAMES_OF_SHELLS.contains(&language), "{origin}: name the language; for commands it is sh");
            ensure!(MARKS.contains(&mark), "{origin}: {mark} is none of the marks {MARKS:?}");
        }
    }
    Ok(())
}
