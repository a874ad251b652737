//! The chart runs on a real node, and so do the commands that need one.

use super::{Outcome, Step, ignored_test, is_root, layout, root};
use crate::release::{FOLDER, image_name};

const TESTS: [&str; 2] = [
    "node::the_chart_runs_as_pods_that_are_replaced_and_killed",
    "node::commands::every_command_that_needs_pods_works",
];

pub const STEP: Step = Step {
    name: "node",
    claim: "On a kubelet with containerd, the chart runs the image as two Pods of the restricted profile, through a rolling \
            update and the death of the leader, and a workload is rolled after each rotation. Every command of the pages \
            that needs Pods runs.",
    run: || {
        if !is_root()? || !cfg!(target_os = "linux") {
            return Ok(Outcome::Skipped("a node needs root on Linux".to_owned()));
        }
        // Refuses an image of another commit.
        layout::images()?;
        let archive = root().join(FOLDER).join(image_name()?).display().to_string();
        for test in TESTS {
            ignored_test(test, &[("IMAGE_ARCHIVE", &archive)])?;
        }
        Ok(Outcome::Passed("two Pods".to_owned()))
    },
};
