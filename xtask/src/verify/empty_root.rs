//! The operator needs nothing but what is in its image.

use std::fs;

use anyhow::{Context, ensure};

use super::{Outcome, Step, ignored_test, is_root, layout};
use crate::{
    process::{command, run},
    release::Architecture,
};

/// The test of `tests/integration/image.rs`, which is ignored elsewhere because it needs the image.
const TEST: &str = "image::the_image_works_in_an_empty_root";

pub const STEP: Step = Step {
    name: "empty-root",
    claim: "As user 65532 in a root that holds the image alone, the operator resolves names by DNS and /etc/hosts, and trusts \
            a private authority by SSL_CERT_FILE and the public ones without it.",
    run: || {
        if !is_root()? {
            return Ok(Outcome::Skipped("changing the root needs to be root".to_owned()));
        }
        let host = Architecture::host().context("no image for this machine")?.oci();
        let images = layout::images()?;
        let image = images.iter().find(|image| image.architecture == host).context("no image for this machine")?;
        let root = layout::empty("target/verify/root")?;
        for layer in &image.layers {
            run(command("tar").args(["--no-same-owner", "-xpzf"]).arg(layer).arg("-C").arg(&root))?;
        }
        ensure!(fs::read_dir(root.join("etc"))?.count() == 2, "unknown files are in the image");
        let user = image.config["User"].as_str().context("no user")?;
        let program = image.config["Entrypoint"][0].as_str().context("no entry point")?;
        let folder = root.display().to_string();
        ignored_test(TEST, &[("IMAGE_ROOT", &folder), ("IMAGE_USER", user), ("IMAGE_PROGRAM", program)])?;
        Ok(Outcome::Passed(format!("image for {host}")))
    },
};
