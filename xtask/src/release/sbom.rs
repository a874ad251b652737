//! The bill of materials in the format CycloneDX, by `cargo cyclonedx`: every crate that is part of the operator. What is in
//! the binary or the image beside crates of the operator is added here.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{binary::Binary, cargo_tool};
use crate::{
    process::{cargo, command, output, run},
    repository::{Commit, root},
};

/// Version of `cargo cyclonedx`. Its own `Cargo.lock` pins what it is made of.
const VERSION: &str = "0.5.9";
/// Crate with the authorities that the image trusts.
const AUTHORITIES: &str = "webpki-root-certs";

/// The bill, as JSON. The operator has the same crates on all architectures of a release.
pub fn make(commit: &Commit, binaries: &[Binary]) -> Result<String> {
    let tool = cargo_tool("cargo-cyclonedx", VERSION)?;
    // The tool writes beside every manifest, so it gets a copy of the sources.
    let copy = root().join("target/sbom");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    run(command("git").args(["checkout-index", "--all", "--prefix"]).arg(format!("{}/", copy.display())))?;
    let target = binaries.first().context("no binary")?.architecture.target();
    let mut tool = command(tool);
    tool.args(["cyclonedx", "--quiet", "--format=json", "--spec-version=1.5", "--override-filename=bom"]);
    tool.args(["--target", &target, "--manifest-path"]).arg(copy.join("Cargo.toml"));
    run(tool.env("SOURCE_DATE_EPOCH", commit.seconds.to_string()))?;
    let written = fs::read_to_string(copy.join("bom.json")).context("the bill of materials")?;
    let mut bill: Value = serde_json::from_str(&written.replace(&copy.display().to_string(), "/src"))?;
    let components = bill["components"].as_array_mut().context("no components")?;
    components.push(authorities()?);
    let libraries: BTreeSet<_> = binaries.iter().map(|binary| &binary.libc).collect();
    components.extend(libraries.iter().map(|version| {
        json!({"type": "library", "name": "glibc", "version": version, "licenses": [{"license": {"id": "LGPL-2.1-or-later"}}],
            "purl": format!("pkg:generic/glibc@{version}")})
    }));
    Ok(format!("{bill:#}\n"))
}

/// The list of authorities as a component: data, and no part of the program.
fn authorities() -> Result<Value> {
    let metadata = output(cargo().args(["metadata", "--locked", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let package = packages.iter().find(|package| package["name"] == AUTHORITIES).context(AUTHORITIES)?;
    let version = package["version"].as_str().context("no version")?;
    Ok(json!({"type": "data", "name": AUTHORITIES, "version": version,
        "licenses": [{"expression": package["license"]}], "purl": format!("pkg:cargo/{AUTHORITIES}@{version}")}))
}
