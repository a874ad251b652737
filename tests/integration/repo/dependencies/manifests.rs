//! Reasons in the manifests, and paths that no file may contain.

use std::{fs, path::Path};

use anyhow::Result;

use super::root;

/// Folders and files that are generated.
const GENERATED: &[&str] = &["target", ".git", "dhat-heap.json"];
/// Folders of developers' machines, without slashes, so that this file does not contain what it searches.
const MACHINES: &[&str] = &["home", "root", "work", "Users"];
/// Files that may name such a folder, with the path.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Lines of a manifest that name a dependency without a reason on the line or right above it. Dependencies of the
/// workspace have their reason there.
fn unexplained(manifest: &str) -> Vec<&str> {
    let mut in_dependencies = false;
    let mut before = "";
    let mut unexplained = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.trim_end_matches(']').ends_with("dependencies");
        } else if in_dependencies && line.contains('=') && !line.starts_with('#') {
            let explained = line.split_once("# ").is_some_and(|(_, reason)| reason.len() > 4);
            let elsewhere = line.trim().ends_with(".workspace = true");
            if !explained && !elsewhere && !before.starts_with("# ") {
                unexplained.push(line);
            }
        }
        before = line;
    }
    unexplained
}

#[test]
fn every_dependency_has_a_reason() -> Result<()> {
    for file in ["Cargo.toml", "tests/testbed/Cargo.toml", "xtask/Cargo.toml"] {
        let manifest = fs::read_to_string(root().join(file))?;
        assert_eq!(unexplained(&manifest), [""; 0], "{file}: say at the end of the line what it is for");
    }
    let manifest =
        "[dependencies]\na = \"1\" # reason\nb = \"1\"\nc.workspace = true\n# Why.\nd = \"1\"\n[lints]\ne = 1\n";
    assert_eq!(unexplained(manifest), ["b = \"1\""]);
    Ok(())
}

#[test]
fn no_file_contains_a_path_of_a_developers_machine() -> Result<()> {
    let mut files = 0;
    visit(root(), &mut |path, text| {
        files += 1;
        for folder in MACHINES {
            let found = format!("/{folder}/");
            let excepted = |(file, part): &(&str, &str)| path.ends_with(file) && found == *part;
            let line = text.lines().find(|line| line.contains(&found));
            assert!(line.is_none() || EXCEPTIONS.iter().any(excepted), "{}: {line:?}", path.display());
        }
    })?;
    assert!(files > 100, "only {files} files");
    Ok(())
}

/// Shows every text file below a folder.
fn visit(folder: &Path, show: &mut impl FnMut(&Path, &str)) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| GENERATED.iter().any(|generated| name == *generated)) {
            continue;
        }
        if path.is_dir() {
            visit(&path, show)?;
        } else if path.is_file()
            && let Ok(text) = fs::read_to_string(&path)
        {
            show(&path, &text);
        }
    }
    Ok(())
}
