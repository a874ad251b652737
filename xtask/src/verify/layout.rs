//! Reads the image of the last release as an engine would: by its descriptors.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::root;
use crate::{
    process::{command, output, run},
    release::{FOLDER, image_name},
};

/// The image for one architecture.
pub struct Image {
    pub architecture: String,
    /// Its configuration: user, entry point, labels.
    pub config: Value,
    /// Files of its layers, lowest first.
    pub layers: Vec<PathBuf>,
    /// Bytes that a node downloads: manifest, configuration and layers.
    pub size: u64,
}

/// All images in the archive. Fails if a digest or a size is wrong, or if the archive is of another commit.
pub fn images() -> Result<Vec<Image>> {
    let archive = root().join(FOLDER).join(image_name()?);
    ensure!(archive.exists(), "{} does not exist; make it with cargo xtask release", archive.display());
    let folder = empty("target/verify/image")?;
    run(command("tar").arg("-xf").arg(&archive).arg("-C").arg(&folder))?;
    let layout: Value = serde_json::from_slice(&fs::read(folder.join("index.json"))?)?;
    let index = json(&folder, &layout["manifests"][0])?;
    let manifests = index["manifests"].as_array().context("an index without manifests")?;
    let images = manifests.iter().map(|descriptor| image(&folder, descriptor)).collect::<Result<Vec<_>>>()?;
    let head = output(command("git").args(["rev-parse", "HEAD"]))?;
    for image in &images {
        let revision = &image.config["Labels"]["org.opencontainers.image.revision"];
        ensure!(*revision == head, "the image is of another commit, {revision}; make one with cargo xtask release");
    }
    Ok(images)
}

fn image(folder: &Path, descriptor: &Value) -> Result<Image> {
    let manifest = json(folder, descriptor)?;
    let mut image = Image {
        architecture: descriptor["platform"]["architecture"].as_str().context("no architecture")?.to_owned(),
        config: json(folder, &manifest["config"])?["config"].take(),
        layers: Vec::new(),
        size: size(descriptor)? + size(&manifest["config"])?,
    };
    for layer in manifest["layers"].as_array().context("no layers")? {
        image.layers.push(blob(folder, layer)?);
        image.size += size(layer)?;
    }
    Ok(image)
}

fn json(folder: &Path, descriptor: &Value) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(blob(folder, descriptor)?)?)?)
}

fn size(descriptor: &Value) -> Result<u64> {
    descriptor["size"].as_u64().context("a descriptor without size")
}

/// The file that a descriptor names.
fn blob(folder: &Path, descriptor: &Value) -> Result<PathBuf> {
    let digest =
        descriptor["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:")).context("no digest")?;
    let path = folder.join("blobs/sha256").join(digest);
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    ensure!(u64::try_from(bytes.len())? == size(descriptor)?, "the size of the blob {digest} is wrong");
    ensure!(format!("{:x}", Sha256::digest(&bytes)) == digest, "the blob {digest} has another digest");
    Ok(path)
}

/// An empty folder in the repository.
pub fn empty(path: &str) -> Result<PathBuf> {
    let folder = root().join(path);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}
