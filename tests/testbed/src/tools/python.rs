//! The virtual environment of moto's server, with all packages pinned by hash.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use super::{Cached, cache_dir, manifest_dir, progress};

/// Oldest Python for which the pinned packages are complete.
const OLDEST_PYTHON: (u32, u32) = (3, 11);

/// The Python of the environment, which is created again when the requirements or the machine's Python change.
pub(super) fn moto() -> Result<PathBuf> {
    let requirements = manifest_dir().join("requirements.txt");
    let pins = fs::read(&requirements).with_context(|| requirements.display().to_string())?;
    let version = python_version()?;
    let folder = cache_dir().join("moto-venv");
    let python = folder.join("bin/python");
    Cached::new(python.clone(), "moto-venv", &[&pins, version.as_bytes()]).get_or_make(|| {
        let log = cache_dir().join("moto-venv.log");
        let _ = fs::remove_file(&log);
        if folder.exists() {
            // An interrupted or older installation is not repaired.
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        let mut create = Command::new("python3");
        create.args(["-m", "venv"]).arg(&folder);
        progress::run("creating a Python environment for moto", "once", &create, &log)?;
        let mut install = Command::new(&python);
        install
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes"])
            .arg("-r")
            .arg(&requirements);
        progress::run("installing moto", "once; about half a minute", &install, &log)?;
        let _ = fs::remove_file(&log);
        Ok(())
    })
}

/// The version of the machine's Python, or an error if it is missing or too old.
fn python_version() -> Result<String> {
    let (major, minor) = OLDEST_PYTHON;
    let need = format!("the test bed runs moto and needs Python {major}.{minor} or newer");
    let script = "import sys; print(*sys.version_info[:3])";
    let output = Command::new("python3")
        .args(["-c", script])
        .output()
        .with_context(|| format!("{need}; cannot run `python3`"))?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = version.split(' ').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST_PYTHON => Ok(version),
        _ => bail!("{need}; `python3` is {version}{}", String::from_utf8_lossy(&output.stderr)),
    }
}
