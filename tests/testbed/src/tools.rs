//! The programs that the test bed runs: found on this machine, or built once and kept in the target folder.
//!
//! Functions here block, for minutes the first time. Asynchronous callers use [`Tool::path`] and
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

/// The variable that names a folder with `kube-apiserver` and `etcd`, by convention of Kubernetes projects.
const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// A program that the test bed runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The database of the API server.
    Etcd,
    /// The Kubernetes API.
    KubeApiserver,
    /// Garbage collection, namespaces, service accounts.
    KubeControllerManager,
    /// The command line client.
    Kubectl,
    /// Installs the chart.
    Helm,
    /// Runs scripts of Argo CD.
    Lua,
    /// Scrapes the operator. Only for tests that run on request.
    Prometheus,
    /// Checks alert rules. Only for tests that run on request.
    Promtool,
}

impl Tool {
    /// Every tool that the usual tests and the demo need, in that order.
    pub const ALL: [Self; 6] =
        [Self::Etcd, Self::KubeApiserver, Self::KubeControllerManager, Self::Kubectl, Self::Helm, Self::Lua];

    /// The name of its program file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::Helm => "helm",
            Self::Lua => "argo-lua",
            Self::Prometheus => "prometheus",
            Self::Promtool => "promtool",
        }
    }

    /// Finds this program, or builds it, which takes minutes the first time.
    pub fn find(self) -> Result<PathBuf> {
        let found = match self {
            Self::Etcd | Self::KubeApiserver => match self.in_assets() {
                None if env::var_os(ASSETS).is_some() => bail!("{ASSETS} is set, but holds no {}", self.name()),
                found => found,
            },
            // The usual archive of these programs has no controller manager.
            Self::KubeControllerManager => self.in_assets(),
            Self::Kubectl => self.in_assets().or_else(|| in_path(self.name())),
            Self::Helm => in_path(self.name()),
            // Of the pinned versions alone.
            Self::Lua | Self::Prometheus | Self::Promtool => None,
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

/// The Python of a virtual environment with moto's server. The environment is created once.
pub fn moto_python() -> Result<PathBuf> {
    python::moto()
}

/// [`moto_python`] for asynchronous callers.
pub async fn moto_python_async() -> Result<PathBuf> {
    tokio::task::spawn_blocking(moto_python).await?
}

/// Builds or finds every program of the tests and the demo, so that later runs start at once.
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
    // A relative path is relative to the folder where Cargo was started, which is not known here.
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The folder of the built programs and of moto's virtual environment.
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

/// A file in the cache, with a digest of its inputs.
struct Cached {
    /// The file itself.
    product: PathBuf,
    /// The file with the digest of the inputs.
    stamp: PathBuf,
    inputs: String,
}

impl Cached {
    fn new(product: PathBuf, name: &str, inputs: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for input in inputs {
            // With the lengths, ("ab", "c") and ("a", "bc") differ.
            context.update(&input.len().to_le_bytes());
            context.update(input);
        }
        let inputs = format!("{:?}", context.finish());
        Self { product, stamp: cache_dir().join(format!("{name}.stamp")), inputs }
    }

    fn is_current(&self) -> bool {
        self.product.is_file() && fs::read_to_string(&self.stamp).is_ok_and(|stamp| stamp == self.inputs)
    }

    /// Returns the product. If it is missing or outdated, `make` creates it first, in one process at a time.
    fn get_or_make(self, make: impl FnOnce() -> Result<()>) -> Result<PathBuf> {
        if self.is_current() {
            return Ok(self.product);
        }
        let _lock = lock()?;
        // Another process may have made it while this one waited for the lock.
        if !self.is_current() {
            make()?;
            fs::write(&self.stamp, &self.inputs).with_context(|| self.stamp.display().to_string())?;
        }
        Ok(self.product)
    }
}

/// Locks the cache. Two builds at once would compete for memory and processors.
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
    progress::say("waiting for another process that builds the test bed's programs");
    file.lock().with_context(|| path.display().to_string())?;
    progress::say(&format!("waited {} s", start.elapsed().as_secs()));
    Ok(file)
}
