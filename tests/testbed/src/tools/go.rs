//! Builds programs through pinned Go modules: their sources are what a module proxy has, checked against `go.sum`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use super::{Cached, Tool, cache_dir, manifest_dir, progress};

/// Oldest Go that builds the pinned Kubernetes.
const OLDEST_GO: (u32, u32) = (1, 26);

/// A package to build from a module in `go/`.
struct Source {
    module: &'static str,
    package: &'static str,
    /// The Go package whose linker variables hold the reported version, and the module with that version.
    version: Option<(&'static str, &'static str)>,
    /// Build tags.
    tags: &'static str,
}

impl Tool {
    fn source(self) -> Source {
        let kubernetes = |package| Source {
            module: "kubernetes",
            package,
            version: Some(("k8s.io/component-base/version", "k8s.io/kubernetes")),
            tags: "",
        };
        let plain = |module, package| Source { module, package, version: None, tags: "" };
        // Without the clients of all clouds, of which tests scrape nothing.
        let prometheus = |package| Source { module: "prometheus", package, version: None, tags: "remove_all_sd" };
        match self {
            Self::Etcd => plain("etcd", "go.etcd.io/etcd/server/v3"),
            Self::Helm => plain("helm", "helm.sh/helm/v4/cmd/helm"),
            Self::Lua => plain("lua", "."),
            Self::KubeApiserver => kubernetes("k8s.io/kubernetes/cmd/kube-apiserver"),
            Self::KubeControllerManager => kubernetes("k8s.io/kubernetes/cmd/kube-controller-manager"),
            Self::Kubectl => kubernetes("k8s.io/kubernetes/cmd/kubectl"),
            Self::Prometheus => prometheus("github.com/prometheus/prometheus/cmd/prometheus"),
            Self::Promtool => prometheus("github.com/prometheus/prometheus/cmd/promtool"),
        }
    }
}

/// Builds `tool`, unless it was already built from the same module files.
pub(super) fn build(tool: Tool) -> Result<PathBuf> {
    let source = tool.source();
    let module = manifest_dir().join("go").join(source.module);
    let read =
        |name: &str| fs::read_to_string(module.join(name)).with_context(|| module.join(name).display().to_string());
    let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
    // Of most modules there is only the list of what they require.
    let main = read("main.go").unwrap_or_default();
    let flags = linker_flags(&source, &go_mod);
    let program = cache_dir().join("bin").join(tool.name());
    let mut inputs = vec![go_mod.as_bytes(), go_sum.as_bytes(), source.package.as_bytes(), flags.as_bytes()];
    // What most programs do not have is no input of theirs.
    inputs.extend([main.as_bytes(), source.tags.as_bytes()].into_iter().filter(|input| !input.is_empty()));
    Cached::new(program.clone(), tool.name(), &inputs).get_or_make(|| {
        check_go()?;
        compile(tool, &source, &module, &flags, &program)
    })
}

fn compile(tool: Tool, source: &Source, module: &Path, flags: &str, program: &Path) -> Result<()> {
    fs::create_dir_all(program.with_file_name(""))?;
    // Built under another name and renamed, so that an interrupted build leaves no incomplete program, and a running
    // program is not overwritten.
    let fresh = program.with_file_name(format!(".{}.new", tool.name()));
    let log = program.with_file_name(format!(".{}.log", tool.name()));
    let _ = fs::remove_file(&log);
    let mut command = go();
    command
        .args(["build", "-mod=readonly", "-trimpath", "-tags", source.tags, "-ldflags", flags, "-o"])
        .arg(&fresh)
        .arg(source.package)
        .current_dir(module)
        .env("CGO_ENABLED", "0");
    let note = "once; about ten minutes on two cores for all programs";
    progress::run(&format!("building {}", tool.name()), note, &command, &log)?;
    fs::rename(&fresh, program)?;
    let _ = fs::remove_file(&log);
    Ok(())
}

/// `go`, without the user's workspace, and without downloading a newer toolchain.
fn go() -> Command {
    let mut command = Command::new("go");
    command.env("GOWORK", "off").env("GOTOOLCHAIN", "local");
    command
}

fn check_go() -> Result<()> {
    let (major, minor) = OLDEST_GO;
    let need = format!("the test bed builds Kubernetes from source and needs Go {major}.{minor} or newer");
    let output = go().args(["env", "GOVERSION"]).output().with_context(|| format!("{need}; cannot run `go`"))?;
    let version = String::from_utf8_lossy(&output.stdout);
    match parse_version(&version) {
        Some(version) if version >= OLDEST_GO => Ok(()),
        Some(_) => bail!("{need}; `go` is {}", version.trim()),
        None => bail!("{need}; `go env GOVERSION` says: {version}{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// Parses major and minor version, of `go1.26.3` and of `devel go1.27-abcdef`.
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let version = text.split_whitespace().find_map(|word| word.strip_prefix("go"))?;
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Flags that strip debug information and set the version as a release build does, because Helm reads it from the API
/// server.
fn linker_flags(source: &Source, go_mod: &str) -> String {
    let mut flags = String::from("-s -w");
    if let Some((package, module)) = source.version
        && let Some(version) = required_version(go_mod, module)
    {
        let mut parts = version.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        for (name, value) in [("gitVersion", version), ("gitMajor", major), ("gitMinor", minor)] {
            flags.extend([" -X ", package, ".", name, "=", value]);
        }
    }
    flags
}

/// The version of `module` that a `go.mod` requires.
fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(module)).then(|| words.next()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::{Tool, linker_flags, parse_version, required_version};

    #[test]
    fn versions_of_go_are_read() {
        assert_eq!(parse_version("go1.26.8\n"), Some((1, 26)));
        assert_eq!(parse_version("devel go1.27-0123abc Tue"), Some((1, 27)));
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn kubernetes_reports_the_version_its_module_pins() {
        let go_mod = "require (\n\tk8s.io/kubernetes-other v0.1.0\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n";
        assert_eq!(required_version(go_mod, "k8s.io/kubernetes"), Some("v1.36.3"));
        let flags = linker_flags(&Tool::KubeApiserver.source(), go_mod);
        assert!(flags.contains("version.gitVersion=v1.36.3 -X k8s.io/component-base/version.gitMajor=1 -X"), "{flags}");
        assert_eq!(linker_flags(&Tool::Etcd.source(), go_mod), "-s -w");
    }
}
