//! The programs the test bed runs: found on this machine, or built once and kept under the target folder.
//!
//! Everything here blocks, for minutes the first time; asynchronous callers use [`Tool::path`] and
//! [`moto_python_async`].

mod go;
mod progress;
mod python;

use std::{
    env,
    fs::{self, File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, Result, bail};
use aws_lc_rs::digest;

pub use self::progress::say;

/// Where a ready `kube-apiserver` and `etcd` may lie; the name is the convention of Kubernetes projects.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// A program the test bed can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The store behind the API server.
    Etcd,
    /// The Kubernetes API.
    KubeApiserver,
    /// Garbage collection, namespaces, service accounts.
    KubeControllerManager,
    /// The command line client.
    Kubectl,
    /// Installs the chart.
    Helm,
}

impl Tool {
    /// Every tool, in the order in which they are needed.
    pub const ALL: [Self; 5] =
        [Self::Etcd, Self::KubeApiserver, Self::KubeControllerManager, Self::Kubectl, Self::Helm];

    /// The name of its program file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
        }
    }

    /// Finds this program, or builds it, which takes minutes once.
    pub fn find(self) -> Result<PathBuf> {
        let found = match self {
            Self::Etcd | Self::KubeApiserver => match self.in_assets() {
                None if env::var_os(ASSETS).is_some() => bail!("{ASSETS} is set, but holds no {}", self.name()),
                found => found,
            },
            // The usual archive of assets has no controller manager.
            Self::KubeControllerManager => self.in_assets(),
            Self::Kubectl => self.in_assets().or_else(|| in_path(self.name())),
            Self::Helm => in_path(self.name()),
        };
        match found {
            Some(path) => Ok(path),
            None => go::build(self),
        }
    }

    /// [`Tool::find`] for asynchronous callers.
    pub async fn path(self) -> Result<PathBuf> {
        tokio::task::spawn_blocking(move || self.find()).await?
    }

    fn in_assets(self) -> Option<PathBuf> {
        let path = Path::new(&env::var_os(ASSETS)?).join(self.name());
        path.is_file().then_some(path)
    }
}

/// Python of a virtual environment that holds moto's server; made once.
pub fn moto_python() -> Result<PathBuf> {
    python::moto()
}

/// [`moto_python`] for asynchronous callers.
pub async fn moto_python_async() -> Result<PathBuf> {
    tokio::task::spawn_blocking(moto_python).await?
}

/// Makes everything ready that tests and demo use, so that later runs start at once.
pub fn prepare() -> Result<()> {
    for tool in Tool::ALL {
        progress::say(&format!("{}: {}", tool.name(), tool.find()?.display()));
    }
    progress::say(&format!("moto: {}", moto_python()?.display()));
    Ok(())
}

/// The target folder of the workspace, where Cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    let root = manifest_dir().ancestors().nth(2).unwrap_or(Path::new("/"));
    // A relative value is relative to where Cargo was called, which nobody remembers here.
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// What the test bed keeps: programs and moto's virtual environment.
fn cache_dir() -> PathBuf {
    target_dir().join("testbed")
}

fn manifest_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The file called `name` in the first folder of `PATH` that has one.
fn in_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Something kept in the cache, together with a digest of what it was made from.
struct Cached {
    /// The file that shows the thing is there.
    product: PathBuf,
    /// Holds the digest of the inputs.
    stamp: PathBuf,
    inputs: String,
}

impl Cached {
    fn new(product: PathBuf, name: &str, inputs: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for input in inputs {
            // Lengths keep ("ab", "c") apart from ("a", "bc").
            context.update(&input.len().to_le_bytes());
            context.update(input);
        }
        let inputs = format!("{:?}", context.finish());
        Self { product, stamp: cache_dir().join(format!("{name}.stamp")), inputs }
    }

    fn is_current(&self) -> bool {
        self.product.is_file() && fs::read_to_string(&self.stamp).is_ok_and(|stamp| stamp == self.inputs)
    }

    /// The product; made by `make` first, unless it is there and current. Only one process makes things at a time.
    fn get_or_make(self, make: impl FnOnce() -> Result<()>) -> Result<PathBuf> {
        if self.is_current() {
            return Ok(self.product);
        }
        let _lock = lock()?;
        // Another process may have made it meanwhile.
        if !self.is_current() {
            make()?;
            fs::write(&self.stamp, &self.inputs).with_context(|| self.stamp.display().to_string())?;
        }
        Ok(self.product)
    }
}

/// Held while something is made; two builds at once would fight over memory and processors.
fn lock() -> Result<File> {
    let path = cache_dir().join("lock");
    fs::create_dir_all(cache_dir()).with_context(|| cache_dir().display().to_string())?;
    let file = OpenOptions::new().create(true).append(true).open(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error).with_context(|| path.display().to_string()),
    }
    let start = Instant::now();
    progress::say("another process is making the test bed's programs; waiting for it");
    file.lock().with_context(|| path.display().to_string())?;
    progress::say(&format!("waited {} s", start.elapsed().as_secs()));
    Ok(file)
}
