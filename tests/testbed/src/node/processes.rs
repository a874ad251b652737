//! Processes of this machine.

use std::fs;

/// Returns the process ids of the descendants of process `root` that run a program of this name.
pub(super) fn below(root: u32, program: &str) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(id) = open.pop() {
        // A process that has ended meanwhile has no files any more.
        let read = |name: &str| fs::read_to_string(format!("/proc/{id}/{name}")).unwrap_or_default();
        // The kernel keeps the first 15 bytes of the name (proc_pid_comm(5)).
        if read("comm").trim_end() == program.get(..15).unwrap_or(program) {
            found.push(id);
        }
        for thread in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            open.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}
