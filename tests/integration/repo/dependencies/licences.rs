//! Licences of all packages, test bed included.

use anyhow::Result;

use super::{deny_list, graph::packages};

/// Reports whether the allowed licences satisfy an SPDX expression. Old manifests write `/` for `OR`.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let (satisfied, rest) = any(&words, allowed);
    satisfied && rest.is_empty()
}

/// Alternatives: binds weaker than `AND`.
fn any<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut satisfied, mut rest) = all(words, allowed);
    while let ["OR", after @ ..] = rest {
        let (also, after) = all(after, allowed);
        (satisfied, rest) = (satisfied || also, after);
    }
    (satisfied, rest)
}

fn all<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let (mut satisfied, mut rest) = one(words, allowed);
    while let ["AND", after @ ..] = rest {
        let (also, after) = one(after, allowed);
        (satisfied, rest) = (satisfied && also, after);
    }
    (satisfied, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &[String]) -> (bool, &'a [&'a str]) {
    let is_allowed = |licence: &str| allowed.iter().any(|other| other == licence);
    match words {
        ["(", inner @ ..] => match any(inner, allowed) {
            (satisfied, [")", rest @ ..]) => (satisfied, rest),
            (_, rest) => (false, rest),
        },
        [licence, "WITH", exception, rest @ ..] => (is_allowed(&format!("{licence} WITH {exception}")), rest),
        [licence, rest @ ..] => (is_allowed(licence), rest),
        [] => (false, &[]),
    }
}

#[test]
fn every_licence_is_allowed() -> Result<()> {
    let allowed = deny_list("licenses", "allow")?;
    let packages = packages(&["--workspace", "--edges", "normal,build,dev"])?;
    assert!(packages.len() > 100, "only {} packages", packages.len());
    for package in packages {
        assert!(satisfied(&package.licence, &allowed), "{} {}: {}", package.name, package.version, package.licence);
    }
    Ok(())
}

#[test]
fn licence_expressions_are_evaluated() {
    let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC OR GPL-3.0", true),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("(GPL-3.0 OR BSL-1.0) AND MIT", false),
        ("Apache-2.0 WITH LLVM-exception OR Apache-2.0", true),
        ("Apache-2.0", false),
        ("(MIT", false),
    ] {
        assert_eq!(satisfied(expression, &allowed), expected, "{expression}");
    }
}
