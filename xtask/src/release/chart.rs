//! The chart's package, as `helm package` lays it out, but with the same bytes each time.

use std::fs;

use anyhow::Result;

use super::archive::{File, Folders, gzip, tar};
use crate::repository::{CHART, Commit, Product, files, root};

/// The chart as a compressed archive of one folder with its name. `Chart.yaml` comes first, where helm looks for it.
pub fn package(product: &Product, commit: &Commit) -> Result<Vec<u8>> {
    let mut paths = files(CHART)?;
    paths.sort_by_key(|path| !path.ends_with("Chart.yaml"));
    let mut packaged = Vec::new();
    for path in paths {
        let inner = path.strip_prefix(CHART)?.display().to_string();
        let bytes = fs::read(root().join(&path))?;
        packaged.push(File { path: format!("{}/{inner}", product.name), mode: 0o644, bytes });
    }
    gzip(&tar(&packaged, Folders::Without, commit.seconds)?)
}
