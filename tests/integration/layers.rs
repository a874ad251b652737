//! The layers hold: which folder may use which, read off the source.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

/// Per layer: the other layers it may use, and the external crates it must not name.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("api", &[], &["aws_sdk", "aws_config", "aws_smithy", "tokio", "tracing", "secrecy"]),
    ("domain", &["api"], &["aws_sdk", "aws_config", "aws_smithy", "kube", "tokio", "tracing", "futures", "axum"]),
    ("parameters", &["api", "domain"], &["aws_sdk", "aws_config", "aws_smithy", "kube", "axum"]),
    ("aws", &["api", "domain", "parameters"], &["kube", "axum"]),
    ("kubernetes", &["api", "domain"], &["aws_sdk", "aws_config", "aws_smithy", "axum"]),
    ("telemetry", &["api", "domain"], &["aws_sdk", "aws_config", "aws_smithy", "kube"]),
    (
        "controller",
        &["api", "domain", "parameters", "aws", "kubernetes", "telemetry"],
        &["aws_sdk", "aws_config", "aws_smithy", "axum", "kube::Api", "kube::Client", "kube::client"],
    ),
];

/// What the pure layer must not do, however it is spelled.
const IMPURE: &[&str] = &["async ", ".await", "Timestamp::now", "Instant::now", "SystemTime", "std::env", "std::fs"];

fn sources(folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            found.push((path, text));
        }
    }
    Ok(found)
}

/// The code of a file: no comments, no tests, no white space around lines, so that one `use` is one string.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = product.lines().map(|line| line.split("//").next().unwrap_or_default().trim());
    lines.collect::<Vec<_>>().join(" ")
}

/// Layers named by `crate::layer` or within `use crate::{layer::..., ...}`.
fn used_layers(code: &str) -> Vec<&'static str> {
    let names = LAYERS.iter().map(|(name, _, _)| *name);
    let grouped: Vec<_> = code.split("use crate::{").skip(1).map(group).collect();
    let uses = |name: &str| {
        let direct = code.contains(&format!("crate::{name}::")) || code.contains(&format!("crate::{name};"));
        direct || grouped.iter().any(|group| top_level(group).any(|item| item == name))
    };
    names.filter(|name| uses(name)).collect()
}

/// The text up to the brace that closes the group.
fn group(text: &str) -> &str {
    let mut depth = 1;
    let end = text.find(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

/// First path segments of the items of a group.
fn top_level(group: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let items = group.split(move |c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        depth == 0 && c == ','
    });
    items.map(|item| item.trim().split("::").next().unwrap_or_default())
}

#[test]
fn folders_use_only_what_they_may() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (layer, allowed, banned) in LAYERS {
        for (path, text) in sources(&root.join(layer))? {
            let code = code(&text);
            for used in used_layers(&code) {
                let may = used == *layer || allowed.contains(&used);
                assert!(may, "{} uses {used}, which {layer} may not", path.display());
            }
            for name in *banned {
                let words = [format!(" {name}"), format!("({name}"), format!("<{name}")];
                let named = words.iter().any(|word| code.contains(word.as_str())) && names_crate(&code, name);
                assert!(!named, "{} names {name}, which {layer} may not", path.display());
            }
        }
    }
    Ok(())
}

/// Whether a name stands for a path or a `use`, not for a part of a longer word.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let after = &code[at + name.len()..];
        let boundary = !before.is_alphanumeric() && before != '_' && before != '"' && before != '.';
        boundary
            && (name.starts_with("aws_") || after.starts_with("::") || after.starts_with(';') || after.starts_with(','))
    })
}

#[test]
fn the_domain_is_pure() -> Result<()> {
    for (path, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain"))? {
        let code = code(&text);
        for impure in IMPURE {
            assert!(!code.contains(impure), "{} has {impure}", path.display());
        }
    }
    Ok(())
}

#[test]
fn the_environment_is_read_in_one_place() -> Result<()> {
    for (path, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))? {
        let reads = code(&text).contains("env::var");
        assert!(!reads || path.ends_with("config.rs"), "{} reads the environment", path.display());
    }
    Ok(())
}

#[test]
fn the_rules_find_what_breaks_them() {
    assert_eq!(used_layers("use crate::{ api::Reason, domain::{Fault, plan::list}, };"), ["api", "domain"]);
    assert_eq!(used_layers("use crate::aws::Aws;"), ["aws"]);
    assert_eq!(used_layers("use super::aws_error::AwsError;"), [""; 0]);
    assert!(names_crate(" use aws_sdk_ssm::Client;", "aws_sdk"));
    assert!(names_crate(" use kube::Api;", "kube"));
    assert!(!names_crate(" kubernetes: Value", "kube"));
}
