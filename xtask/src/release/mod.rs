//! The files of a release. The same commit, toolchain and architectures give the same bytes, wherever and whenever.

mod archive;
mod binary;
mod chart;
mod elf;
mod image;
mod root_files;
mod sbom;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

pub use self::binary::Architecture;

use self::{archive::File, binary::Binary};
use crate::{
    process::{cargo, run as run_command},
    repository::{CHART, Commit, Product, files, root},
};

/// Where the files are written without `--out`.
pub const FOLDER: &str = "target/dist";
/// Name of the file with the checksums of all others, as `sha256sum --check` reads it.
pub const SUMS: &str = "SHA256SUMS";

/// Everything that the files are made from, beside those of the commit.
struct Inputs {
    commit: Commit,
    product: Product,
    binaries: Vec<Binary>,
    sbom: String,
}

/// Makes a release.
pub fn run(out: Option<&Path>, only: Option<Architecture>) -> Result<()> {
    let commit = Commit::of_clean_tree()?;
    let product = Product::read()?;
    product.check_chart()?;
    let out = empty_folder(out)?;
    let binaries = binary::build_all(&product, &commit, only)?;
    let sbom = sbom::make(&commit, &binaries)?;
    let files = make(&Inputs { commit, product, binaries, sbom })?;
    for file in &files {
        write(&out, file)?;
        eprintln!("{:>11} bytes  {}", file.bytes.len(), out.join(&file.path).display());
    }
    Ok(())
}

/// Builds the operator for this machine and writes the root file system of its image.
pub fn image_root(out: &Path) -> Result<()> {
    let binary = binary::build_host(&Product::read()?)?;
    for file in root_files::of(&binary.bytes) {
        write(out, &file)?;
    }
    Ok(())
}

/// Writes a file with its permissions, and the folders above it.
fn write(folder: &Path, file: &File) -> Result<()> {
    let path = folder.join(&file.path);
    fs::create_dir_all(path.parent().context("a file without folder")?)?;
    fs::write(&path, &file.bytes)?;
    set_mode(&path, file.mode)
}

/// Name of the image's archive.
pub fn image_name() -> Result<String> {
    let product = Product::read()?;
    Ok(format!("{}-{}.oci.tar", product.name, product.version))
}

/// All files by name, in order, the checksums last.
fn make(inputs: &Inputs) -> Result<Vec<File>> {
    let Inputs { commit, product, binaries, sbom } = inputs;
    let stem = format!("{}-{}", product.name, product.version);
    let data = |path: String, bytes| File { path, mode: 0o644, bytes };
    let mut made = vec![
        data(format!("{stem}.oci.tar"), image::make(product, commit, binaries)?),
        data(format!("{stem}.tgz"), chart::package(product, commit)?),
        data(format!("{stem}.cdx.json"), sbom.clone().into_bytes()),
        data("crds.yaml".to_owned(), crds()?),
        data("install.yaml".to_owned(), fs::read(root().join("deploy/install.yaml")).context("deploy/install.yaml")?),
    ];
    let program = |binary: &Binary| File {
        path: format!("{stem}-linux-{}", binary.architecture.oci()),
        mode: 0o755,
        bytes: binary.bytes.clone(),
    };
    made.extend(binaries.iter().map(program));
    made.sort_by(|one, other| one.path.cmp(&other.path));
    let mut sums = String::new();
    for File { path, bytes, .. } in &made {
        writeln!(sums, "{}  {path}", sha256(bytes))?;
    }
    made.push(data(SUMS.to_owned(), sums.into_bytes()));
    Ok(made)
}

/// The CustomResourceDefinitions in one file.
fn crds() -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for path in files(&format!("{CHART}/files/crds"))? {
        all.extend_from_slice(b"---\n");
        all.extend(fs::read(root().join(path))?);
    }
    Ok(all)
}

/// The folder for the files, which is empty. One that a user named is not emptied for them.
fn empty_folder(out: Option<&Path>) -> Result<PathBuf> {
    let folder = out.map_or_else(|| root().join(FOLDER), Path::to_owned);
    if out.is_none() && folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    ensure!(fs::read_dir(&folder)?.next().is_none(), "{} is not empty", folder.display());
    Ok(folder)
}

/// Installs a program of cargo into `target/tools`, in this version alone. Does nothing if it is there.
fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let tools = root().join("target/tools");
    run_command(cargo().args(["install", "--quiet", "--locked", "--version", version, name, "--root"]).arg(&tools))?;
    Ok(tools.join("bin").join(name))
}

/// The checksum as hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: u32) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn programs_can_be_started_and_every_other_file_has_a_checksum() -> Result<()> {
        use std::os::unix::fs::PermissionsExt;

        let text = |text: &str| text.to_owned();
        let commit = Commit { hash: text("abc"), seconds: 1_700_000_000, time: text("2023-11-14T22:13:20Z") };
        let binary = Binary { architecture: Architecture::Arm64, bytes: b"program".to_vec(), libc: text("2.36") };
        let files = make(&Inputs { commit, product: Product::read()?, binaries: vec![binary], sbom: text("{}") })?;
        let folder = std::env::temp_dir().join(format!("spo-release-{}", std::process::id()));
        files.iter().try_for_each(|file| write(&folder, file))?;
        let sums = fs::read_to_string(folder.join(SUMS))?;
        for File { path, bytes, .. } in &files {
            let mode = fs::metadata(folder.join(path))?.permissions().mode() & 0o777;
            assert_eq!(mode == 0o755, path.ends_with("-linux-arm64"), "{path} {mode:o}");
            let line = format!("{}  {path}\n", sha256(bytes));
            assert_eq!(sums.contains(&line), path != SUMS, "{path}");
        }
        Ok(fs::remove_dir_all(folder)?)
    }
}
