//! The control groups of nodes. The kernel keeps them when their processes have ended.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the kernel shows control groups: those of version 2, or a folder for each controller of version 1.
const ROOT: &str = "/sys/fs/cgroup";
/// What the names of all nodes' groups begin with.
const PREFIX: &str = "testbed-node-";

/// The name of a group for a node of this process.
pub(super) fn name() -> String {
    format!("{PREFIX}{}", uuid::Uuid::new_v4())
}

/// Removes the groups of nodes that have ended. One with a process in it stays.
pub(super) fn remove_unused() {
    let controllers = folders(Path::new(ROOT));
    for folder in controllers.iter().map(PathBuf::as_path).chain([Path::new(ROOT)]).flat_map(folders) {
        if folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX)) {
            remove(&folder);
        }
    }
}

/// Removes a group after those in it. The kernel refuses one that is in use.
fn remove(group: &Path) {
    for inner in folders(group) {
        remove(&inner);
    }
    let _ = fs::remove_dir(group);
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.is_dir()).collect()
}
