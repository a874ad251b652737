//! The repository: what a release is made from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{cargo, command, output};

/// Folder of the chart, from the root of the repository.
pub const CHART: &str = "charts/secure-parameter-operator";
/// The report of `cargo xtask verify`, which no file of a release is made from.
pub const REPORT: &str = "docs/verified.md";

/// The commit that is checked out. All files of a release carry its time, so that its bytes do not depend on when it is made.
#[derive(Debug)]
pub struct Commit {
    /// Its hash.
    pub hash: String,
    /// Its time, in seconds since 1970.
    pub seconds: u64,
    /// Its time, as in RFC 3339.
    pub time: String,
}

/// What the manifest of the operator says about it.
#[derive(Debug)]
pub struct Product {
    pub name: String,
    pub version: String,
    pub description: String,
    pub license: String,
    /// Address of the source, if the manifest names one.
    pub repository: Option<String>,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    let crate_ = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_.parent().unwrap_or(crate_)
}

impl Commit {
    /// Reads it. Refuses a tree with changes, which would be part of the release but not of the commit.
    pub fn of_clean_tree() -> Result<Self> {
        Self::of(root())
    }

    fn of(folder: &Path) -> Result<Self> {
        let git = |arguments: &[&str]| output(command("git").current_dir(folder).env("TZ", "UTC").args(arguments));
        let changes = git(&["status", "--porcelain", "--", ".", &format!(":(exclude){REPORT}")])?;
        ensure!(
            changes.is_empty(),
            "the tree has changes that are not committed, so commit or remove them:\n{changes}"
        );
        let show = |format: &str, date: &str| git(&["show", "--no-patch", format, date, "HEAD"]);
        Ok(Self {
            hash: git(&["rev-parse", "HEAD"])?,
            seconds: show("--format=%ct", "--date=unix")?.parse()?,
            time: show("--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ")?,
        })
    }
}

impl Product {
    /// Reads it.
    pub fn read() -> Result<Self> {
        let text = output(cargo().args(["metadata", "--no-deps", "--locked", "--format-version=1"]))?;
        let metadata: Value = serde_json::from_str(&text)?;
        let manifest = Value::from(root().join("Cargo.toml").display().to_string());
        let packages = metadata["packages"].as_array().context("no packages")?;
        let package =
            packages.iter().find(|package| package["manifest_path"] == manifest).context("no root package")?;
        let field = |name: &str| package[name].as_str().map(str::to_owned);
        Ok(Self {
            name: field("name").context("no name")?,
            version: field("version").context("no version")?,
            description: field("description").context("no description")?,
            license: field("license").context("no license")?,
            repository: field("repository"),
        })
    }

    /// Checks that the chart has the same version. The chart's tag of the image is its `appVersion`, so the three are one.
    pub fn check_chart(&self) -> Result<()> {
        self.check_versions(&fs::read_to_string(root().join(CHART).join("Chart.yaml"))?)
    }

    fn check_versions(&self, chart: &str) -> Result<()> {
        let chart: serde_yaml::Value = serde_yaml::from_str(chart)?;
        for field in ["version", "appVersion"] {
            let found = chart[field].as_str().with_context(|| format!("Chart.yaml has no text as {field}"))?;
            ensure!(found == self.version, "{field} in Chart.yaml is {found}, but Cargo.toml has {}", self.version);
        }
        Ok(())
    }
}

/// Files of the commit below a folder, as paths from the root of the repository, in order.
pub fn files(folder: &str) -> Result<Vec<PathBuf>> {
    let listed = output(command("git").args(["ls-files", "-z", "--", folder]))?;
    let mut files: Vec<_> = listed.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    files.sort();
    ensure!(!files.is_empty(), "{folder} is empty");
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> Product {
        let [name, version, description, license] = ["name", "1.2.3", "text", "Apache-2.0"].map(str::to_owned);
        Product { name, version, description, license, repository: None }
    }

    #[test]
    fn the_chart_has_the_version_of_the_operator() -> Result<()> {
        product().check_versions("version: 1.2.3\nappVersion: 1.2.3\n")?;
        for chart in ["version: 1.2.4\nappVersion: 1.2.3", "version: 1.2.3\nappVersion: 1.2.4", "version: 1.2.3"] {
            let error = product().check_versions(chart).expect_err(chart).to_string();
            assert!(error.contains("Chart.yaml"), "{error}");
        }
        Product::read()?.check_chart()
    }

    #[test]
    fn a_tree_with_changes_is_refused() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let git = |arguments: &[&str]| {
            let identity = ["-c", "user.name=name", "-c", "user.email=mail@example.com", "-c", "commit.gpgSign=false"];
            output(command("git").current_dir(&folder).args(identity).args(arguments))
        };
        git(&["init", "--quiet"])?;
        fs::write(folder.path().join("file"), "1")?;
        git(&["add", "."])?;
        git(&["commit", "--quiet", "--message=one", "--date=2026-01-02T03:04:05Z"])?;
        let commit = Commit::of(folder.path())?;
        assert!(commit.hash.len() >= 40 && commit.time.ends_with('Z') && commit.seconds > 0, "{commit:?}");
        fs::create_dir(folder.path().join("docs"))?;
        fs::write(folder.path().join(REPORT), "")?;
        Commit::of(folder.path())?;
        for (path, text) in [("new", "1"), ("file", "2")] {
            fs::write(folder.path().join(path), text)?;
            let error = Commit::of(folder.path()).expect_err(path).to_string();
            assert!(error.contains("not committed") && error.contains(path), "{error}");
            git(&["add", "."])?;
            git(&["commit", "--quiet", "--message=more"])?;
        }
        Ok(())
    }
}
