//! The operator as one static program for each architecture.
//!
//! The C library is that of GNU, linked statically: since 2.34 it reads names from files and DNS without loading modules
//! (glibc's NEWS for 2.34), and its allocator is faster than musl's. `cargo xtask verify` runs the program in an empty root.

use std::{env, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::elf;
use crate::{
    process::{cargo, command, output, run},
    repository::{Commit, Product, root},
};

/// An architecture of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Architecture {
    /// x86_64
    Amd64,
    /// aarch64
    Arm64,
}

/// The operator for one architecture.
#[derive(Debug)]
pub struct Binary {
    pub architecture: Architecture,
    pub bytes: Vec<u8>,
    /// Version of the C library in it.
    pub libc: String,
}

impl Architecture {
    /// That of this machine, if images exist for it.
    pub fn host() -> Option<Self> {
        Self::value_variants().iter().copied().find(|one| one.is_host())
    }

    /// Its name in images and in names of files.
    pub const fn oci(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    const fn rust(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The target of the Rust compiler.
    pub fn target(self) -> String {
        format!("{}-unknown-linux-gnu", self.rust())
    }

    /// The compiler for C, which links too.
    fn compiler(self) -> String {
        if self.is_host() { "cc".to_owned() } else { format!("{}-linux-gnu-gcc", self.rust()) }
    }

    fn is_host(self) -> bool {
        env::consts::ARCH == self.rust()
    }

    /// What is missing to build for it, and where it comes from.
    fn missing(self) -> Option<String> {
        let target = self.target();
        let libraries = output(command("rustc").args(["--print=target-libdir", "--target", &target]));
        if !libraries.is_ok_and(|folder| PathBuf::from(folder).is_dir()) {
            return Some(format!("the Rust target is missing (rustup target add {target})"));
        }
        let compiler = self.compiler();
        let Ok(library) = output(command(&compiler).arg("-print-file-name=libc.a")) else {
            return Some(format!(
                "the compiler {compiler} is missing (on Debian: gcc-{})",
                self.rust().replace('_', "-")
            ));
        };
        // The compiler answers with the bare name if it knows no such file.
        let is_missing = !PathBuf::from(library).is_absolute();
        is_missing.then(|| format!("{compiler} has no libc.a, the static C library"))
    }
}

/// Builds for all architectures, or for one. Those whose toolchain is missing are skipped, loudly, unless none is left.
pub fn build_all(product: &Product, commit: &Commit, only: Option<Architecture>) -> Result<Vec<Binary>> {
    let mut binaries = Vec::new();
    for architecture in
        Architecture::value_variants().iter().copied().filter(|one| only.is_none_or(|only| only == *one))
    {
        match architecture.missing() {
            None => binaries.push(build(product, architecture, Some(commit))?),
            Some(missing) => eprintln!("SKIPPED: no binary and no image for {}: {missing}", architecture.oci()),
        }
    }
    ensure!(!binaries.is_empty(), "nothing can be built for any architecture; the lines above say what is missing");
    Ok(binaries)
}

/// Builds for this machine.
pub fn build_host(product: &Product) -> Result<Binary> {
    let architecture = Architecture::host().with_context(|| format!("there is no image for {}", env::consts::ARCH))?;
    let missing = architecture.missing();
    ensure!(missing.is_none(), "{}", missing.unwrap_or_default());
    build(product, architecture, None)
}

fn build(product: &Product, architecture: Architecture, commit: Option<&Commit>) -> Result<Binary> {
    let target = architecture.target();
    // Not the folder that somebody may have set: its path must be one of those that are taken out.
    let folder = root().join("target");
    let mut cargo = cargo();
    // The package alone, so that no feature of the test bed is on.
    cargo.args(["build", "--release", "--locked", "--package", &product.name, "--bin", &product.name]);
    cargo.args(["--target", &target, "--target-dir"]).arg(&folder);
    without_paths(&mut cargo, &target)?;
    // Nothing in the binary depends on a time, and C code would be compiled again for each commit.
    cargo.env_remove("SOURCE_DATE_EPOCH");
    if let Some(commit) = commit {
        // Shown by the metric of the build.
        cargo.env("SPO_REVISION", &commit.hash);
    }
    if !architecture.is_host() {
        let variable = format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_uppercase());
        cargo.env(variable, architecture.compiler());
    }
    run(&mut cargo)?;
    let bytes = fs::read(folder.join(target).join("release").join(&product.name))?;
    elf::ensure_static(&bytes)?;
    for path in machine_paths()? {
        let found = bytes.windows(path.0.len()).any(|part| part == path.0.as_bytes());
        ensure!(!found, "the binary for {} contains the path {} of this machine", architecture.oci(), path.0);
    }
    Ok(Binary { architecture, bytes, libc: libc(architecture)? })
}

/// Sets the compilers' options: static, and without the paths of this machine.
fn without_paths(cargo: &mut Command, target: &str) -> Result<()> {
    let mut rust = vec!["-Ctarget-feature=+crt-static".to_owned()];
    let mut c = Vec::new();
    for (path, name) in machine_paths()? {
        rust.push(format!("--remap-path-prefix={path}={name}"));
        c.push(format!("-ffile-prefix-map={path}={name}"));
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", rust.join("\u{1f}"));
    cargo.env(format!("CFLAGS_{}", target.replace('-', "_")), c.join(" "));
    Ok(())
}

/// Folders whose paths the compilers would write into the binary, and what they write instead.
fn machine_paths() -> Result<[(String, &'static str); 2]> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    let cargo =
        env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home).context("neither CARGO_HOME nor HOME is set")?;
    Ok([(root().display().to_string(), "/src"), (cargo.display().to_string(), "/cargo")])
}

/// Version of the C library, by the macros of its header `features.h`.
fn libc(architecture: Architecture) -> Result<String> {
    let arguments = ["-E", "-dM", "-include", "features.h", "-x", "c", "/dev/null"];
    let macros = output(command(architecture.compiler()).args(arguments))?;
    let number = |name: &str| {
        let line = macros.lines().find_map(|line| line.strip_prefix(&format!("#define {name} ")));
        line.with_context(|| format!("the C library of {} is not that of GNU", architecture.compiler()))
    };
    Ok(format!("{}.{}", number("__GLIBC__")?, number("__GLIBC_MINOR__")?))
}
