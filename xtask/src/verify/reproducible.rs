//! The same commit gives the same bytes in another folder.

use std::fs;

use anyhow::{Context, ensure};

use super::{Outcome, Step, layout, root};
use crate::{
    process::{cargo, command, run},
    release::{self, Architecture, SUMS},
};

pub const STEP: Step = Step {
    name: "reproducible",
    claim: "Two releases of one commit, compiled in different folders, have the same bytes.",
    run: || {
        let host = Architecture::host().context("no image for this machine")?;
        let once = layout::empty("target/verify/once")?;
        release::run(Some(&once), Some(host))?;
        let elsewhere = layout::empty("target/verify/another-folder")?;
        run(command("git").args(["clone", "--quiet"]).arg(root()).arg(&elsewhere))?;
        // The tool for the bill of materials need not be built again.
        fs::create_dir(elsewhere.join("target"))?;
        run(command("cp").args(["--recursive", "target/tools"]).arg(elsewhere.join("target")))?;
        let mut again = cargo();
        again.current_dir(&elsewhere).args(["xtask", "release", "--arch", host.oci()]);
        run(&mut again)?;
        let once = fs::read_to_string(once.join(SUMS))?;
        let again = fs::read_to_string(elsewhere.join(release::FOLDER).join(SUMS))?;
        let differ: Vec<_> = once.lines().zip(again.lines()).filter(|(one, other)| one != other).collect();
        ensure!(once == again, "files differ: {differ:?}");
        fs::remove_dir_all(elsewhere)?;
        Ok(Outcome::Passed(format!("{} files for {}", once.lines().count(), host.oci())))
    },
};
