//! The image as an OCI image layout in a tar archive (OCI image specification 1.1, image-layout.md). Container engines and
//! registry tools read it; none is needed to make it.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{
    archive::{File, Folders, gzip, tar},
    binary::Binary,
    root_files::{self, PROGRAM},
    sha256,
};
use crate::repository::{Commit, Product};

/// User and group of the process: numbers, so that Kubernetes can tell that they are not root.
const USER: &str = "65532:65532";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The archive: one index with a manifest for each binary.
pub fn make(product: &Product, commit: &Commit, binaries: &[Binary]) -> Result<Vec<u8>> {
    let mut blobs = Blobs::default();
    let mut manifests = Vec::new();
    for binary in binaries {
        manifests.push(manifest(&mut blobs, product, commit, binary)?);
    }
    let index =
        blobs.add_json(INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}), &json!({}));
    // Under the second name, containerd's import makes the image known as the one in the chart's default values.
    let name = format!("docker.io/library/{}:{}", product.name, product.version);
    let annotations = json!({"org.opencontainers.image.ref.name": product.version, "io.containerd.image.name": name});
    let entry = with(index, &json!({"annotations": annotations}));
    blobs.file("index.json", &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}));
    blobs.file("oci-layout", &json!({"imageLayoutVersion": "1.0.0"}));
    blobs.files.sort_by(|one, other| one.path.cmp(&other.path));
    tar(&blobs.files, Folders::Without, commit.seconds)
}

/// Adds layer, configuration and manifest of one architecture. Returns the manifest's descriptor.
fn manifest(blobs: &mut Blobs, product: &Product, commit: &Commit, binary: &Binary) -> Result<Value> {
    let layer = tar(&root_files::of(&binary.bytes), Folders::With, commit.seconds)?;
    let diff = format!("sha256:{}", sha256(&layer));
    let labels = labels(product, commit);
    let architecture = binary.architecture.oci();
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": commit.time,
        "config": {
            "User": USER,
            "Env": ["PATH=/"],
            "Entrypoint": [format!("/{PROGRAM}")],
            "Cmd": ["run"],
            "WorkingDir": "/",
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": labels,
        },
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created": commit.time, "created_by": "cargo xtask release"}],
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blobs.add_json(CONFIG, &config, &json!({})),
        "layers": [blobs.add(LAYER, gzip(&layer)?)],
        "annotations": labels,
    });
    Ok(blobs.add_json(MANIFEST, &manifest, &json!({"platform": {"architecture": architecture, "os": "linux"}})))
}

/// Labels, by the names of the OCI image specification (annotations.md).
fn labels(product: &Product, commit: &Commit) -> Value {
    let values = [
        ("title", Some(&product.name)),
        ("description", Some(&product.description)),
        ("version", Some(&product.version)),
        ("licenses", Some(&product.license)),
        ("source", product.repository.as_ref()),
        ("revision", Some(&commit.hash)),
        ("created", Some(&commit.time)),
    ];
    let labels = values.iter().filter_map(|(name, value)| {
        Some((format!("org.opencontainers.image.{name}"), Value::from(value.as_ref()?.as_str())))
    });
    Value::Object(labels.collect::<Map<_, _>>())
}

/// The files of the layout.
#[derive(Default)]
struct Blobs {
    files: Vec<File>,
}

impl Blobs {
    /// Adds a blob and returns its descriptor.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let (digest, size) = (sha256(&bytes), bytes.len());
        let path = format!("blobs/sha256/{digest}");
        // Two architectures never share a blob, but a name must not occur twice.
        if self.files.iter().all(|file| file.path != path) {
            self.files.push(File { path, mode: 0o644, bytes });
        }
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
    }

    /// Adds a blob of JSON and returns its descriptor, with `more` fields.
    fn add_json(&mut self, media_type: &str, value: &Value, more: &Value) -> Value {
        let descriptor = self.add(media_type, value.to_string().into_bytes());
        with(descriptor, more)
    }

    fn file(&mut self, path: &str, value: &Value) {
        self.files.push(File { path: path.to_owned(), mode: 0o644, bytes: value.to_string().into_bytes() });
    }
}

/// An object with the fields of another one.
fn with(mut object: Value, more: &Value) -> Value {
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.clone());
    }
    object
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{release::Architecture, repository::root};

    fn made() -> Result<Vec<u8>> {
        let text = |text: &str| text.to_owned();
        let [name, version, description] = ["name", "1.2.3", "what it is"].map(text);
        let product = Product { name, version, description, license: text("MIT"), repository: None };
        let commit = Commit { hash: text("abc"), seconds: 1_700_000_000, time: text("2023-11-14T22:13:20Z") };
        let binary = |architecture| Binary { architecture, bytes: b"program".to_vec(), libc: text("2.36") };
        make(&product, &commit, &[binary(Architecture::Amd64), binary(Architecture::Arm64)])
    }

    #[test]
    fn the_same_inputs_give_the_same_bytes() -> Result<()> {
        assert_eq!(sha256(&made()?), sha256(&made()?));
        Ok(())
    }

    #[test]
    fn the_dockerfile_has_the_same_settings() -> Result<()> {
        let text = fs::read_to_string(root().join("Dockerfile"))?;
        let (_, last) = text.rsplit_once("\nFROM scratch\n").expect("the last stage is empty");
        let entry = format!("ENTRYPOINT [\"/{PROGRAM}\"]");
        let user = format!("USER {USER}");
        for line in [&entry, &user, "CMD [\"run\"]", "ENV PATH=/", "EXPOSE 8080"] {
            assert!(last.lines().any(|found| found == line), "{line}");
        }
        Ok(())
    }
}
