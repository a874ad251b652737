//! The image that every Pod needs, as an OCI archive (OCI image layout specification).

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tar::{Builder, Header};

use crate::tools::NodePrograms;

/// Name of the image of a container that waits until it is asked to end.
pub const PAUSE: &str = "localhost/pause:1";

/// Writes the image [`PAUSE`] into `folder`. Returns the file.
pub(super) fn write_pause(programs: &NodePrograms, folder: &Path) -> Result<PathBuf> {
    let path = folder.join("pause.tar");
    let program = fs::read(&programs.pause).with_context(|| programs.pause.display().to_string())?;
    let mut layer = Builder::new(Vec::new());
    append(&mut layer, "pause", 0o755, &program)?;
    let layer = layer.into_inner()?;
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [name(&layer)]},
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["annotations"] = json!({"io.containerd.image.name": PAUSE});
    let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
    let mut archive = Builder::new(File::create(&path).with_context(|| path.display().to_string())?);
    append(&mut archive, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", 0o644, index.as_bytes())?;
    for blob in [&layer, &config, &manifest] {
        append(&mut archive, &format!("blobs/{}", name(blob).replace(':', "/")), 0o644, blob)?;
    }
    archive.finish()?;
    Ok(path)
}

fn append<W: std::io::Write>(archive: &mut Builder<W>, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    Ok(archive.append_data(&mut header, path, content)?)
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": name(blob), "size": blob.len()})
}

/// The digest by which a layout names a blob.
fn name(blob: &[u8]) -> String {
    let bytes = digest(&SHA256, blob);
    bytes.as_ref().iter().fold("sha256:".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}
