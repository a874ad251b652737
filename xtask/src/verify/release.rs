//! The files of a release are made.

use std::fs;

use super::{Outcome, Step, root};
use crate::{
    process::{command, run},
    release::{self, Architecture, FOLDER, SUMS},
};

pub const STEP: Step = Step {
    name: "release",
    claim: "A release is made from a clean tree, its programs are static and start, and its checksums are right.",
    run: || {
        release::run(None, None)?;
        let folder = root().join(FOLDER);
        run(command("sha256sum").args(["--check", "--quiet", SUMS]).current_dir(&folder))?;
        let mut programs = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if let Some((_, architecture)) = entry.file_name().to_string_lossy().rsplit_once("-linux-") {
                programs.push(format!("{architecture} {} bytes", entry.metadata()?.len()));
                if Architecture::host().is_some_and(|host| host.oci() == architecture) {
                    run(command(entry.path()).arg("--version"))?;
                }
            }
        }
        programs.sort();
        Ok(Outcome::Passed(programs.join(", ")))
    },
};
