//! The packages that are built, and bans.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{deny_list, root};

/// The target of images.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// One package of a graph.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// The source, if it is not crates.io.
    pub source: Option<String>,
    /// Licence expression.
    pub licence: String,
    /// Features that are on.
    pub features: Vec<String>,
}

/// The packages that `cargo tree` shows with these arguments. `cargo metadata` would include optional packages that no
/// feature enables (`ring`, through rustls-webpki) and that are never built.
pub fn packages(arguments: &[&str]) -> Result<Vec<Package>> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["tree", "--locked", "--offline", "--target", TARGET, "--prefix", "none"]);
    let output = command.args(["--no-dedupe", "--format", "{p}|{l}|{f}"]).args(arguments).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let lines = text.lines().filter(|line| !line.is_empty());
    let mut packages = lines.map(|line| parse(line).with_context(|| line.to_owned())).collect::<Result<Vec<_>>>()?;
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// Reads `name v1.2.3 (source)|licence|feature,feature`.
fn parse(line: &str) -> Result<Package> {
    let [package, licence, features] = line.split('|').collect::<Vec<_>>()[..] else {
        anyhow::bail!("not three parts")
    };
    let mut words = package.splitn(3, ' ');
    let name = words.next().context("no name")?.to_owned();
    let version = words.next().and_then(|word| word.strip_prefix('v')).context("no version")?.to_owned();
    let source = words.next().filter(|source| *source != "(proc-macro)").map(str::to_owned);
    let features = features.split(',').filter(|feature| !feature.is_empty()).map(str::to_owned).collect();
    Ok(Package { name, version, source, licence: licence.to_owned(), features })
}

/// The packages of the operator.
fn operator() -> Result<Vec<Package>> {
    packages(&["--package", env!("CARGO_PKG_NAME"), "--edges", "normal,build"])
}

/// Reports whether an entry of `deny.toml`, `name` or `name:<version`, matches a package.
fn is_banned(package: &Package, entry: &str) -> bool {
    let numbers = |version: &str| version.split('.').map_while(|part| part.parse::<u64>().ok()).collect::<Vec<_>>();
    match entry.split_once(":<") {
        None => package.name == entry,
        Some((name, limit)) => package.name == name && numbers(&package.version) < numbers(limit),
    }
}

#[test]
fn no_banned_package_is_built() -> Result<()> {
    let banned = deny_list("bans", "deny")?;
    for package in operator()? {
        assert!(!banned.iter().any(|entry| is_banned(&package, entry)), "{package:?}");
    }
    for (name, version, entry, expected) in [
        ("ring", "0.17.0", "ring", true),
        ("hyper", "0.14.9", "hyper:<1", true),
        ("hyper", "1.0.0", "hyper:<1", false),
        ("rustls", "0.21.12", "rustls:<0.23", true),
        ("rustls", "0.23.46", "rustls:<0.23", false),
        ("rustls-webpki", "0.1.0", "rustls:<0.23", false),
    ] {
        let package = parse(&format!("{name} v{version}|MIT|"))?;
        assert_eq!(is_banned(&package, entry), expected, "{name} {version} {entry}");
    }
    Ok(())
}

#[test]
fn there_is_one_tls_stack_with_one_provider() -> Result<()> {
    let packages = operator()?;
    let rustls: Vec<_> = packages.iter().filter(|package| package.name == "rustls").collect();
    let [rustls] = rustls[..] else { unreachable!("not one rustls: {rustls:?}") };
    assert!(rustls.features.iter().any(|feature| feature == "aws_lc_rs"), "{rustls:?}");
    assert!(!rustls.features.iter().any(|feature| feature == "ring"), "{rustls:?}");
    for name in ["aws-lc-rs", "hyper", "hyper-rustls", "tokio-rustls"] {
        assert_eq!(packages.iter().filter(|package| package.name == name).count(), 1, "{name}");
    }
    Ok(())
}

#[test]
fn every_package_comes_from_crates_io() -> Result<()> {
    let own = format!("({}", root().display());
    for package in packages(&["--workspace", "--edges", "normal,build,dev"])? {
        let from_elsewhere = package.source.as_ref().filter(|source| !source.starts_with(&own));
        assert_eq!(from_elsewhere, None, "{}", package.name);
    }
    Ok(())
}
