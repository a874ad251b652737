//! The image is small.

use anyhow::ensure;

use super::{Outcome, Step, layout};

/// Bytes that a node may have to download.
const LIMIT: u64 = 12_000_000;

pub const STEP: Step = Step {
    name: "image-size",
    claim: "A node downloads less than 12 MB, and every blob of the image has the digest that its descriptor names.",
    run: || {
        let mut sizes = Vec::new();
        for image in layout::images()? {
            ensure!(image.size < LIMIT, "the image for {} has {} bytes", image.architecture, image.size);
            sizes.push(format!("{} {} bytes", image.architecture, image.size));
        }
        Ok(Outcome::Passed(sizes.join(", ")))
    },
};
