//! The chart works with Helm 3 too.

use std::env;

use anyhow::Context;

use super::{Outcome, Step, layout};
use crate::{
    process::{cargo, command, output, run},
    repository::root,
};

/// The version of Kubernetes that Helm assumes without a cluster, as a release of Helm 3.18 sets it.
const FLAGS: &str =
    "-s -w -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=33";

pub const STEP: Step = Step {
    name: "helm-3",
    claim: "The tests of the chart and of the examples for GitOps pass with Helm 3.18 as they do with Helm 4.",
    run: || {
        let folder = layout::empty("target/verify/helm3")?;
        let mut build = command("go");
        build.args(["build", "-mod=readonly", "-trimpath", "-ldflags", FLAGS, "-o"]).arg(folder.join("helm"));
        build.arg("helm.sh/helm/v3/cmd/helm").current_dir(root().join("tests/testbed/go/helm3"));
        run(build.env("CGO_ENABLED", "0").env("GOWORK", "off").env("GOTOOLCHAIN", "local"))?;
        // The test bed takes the first helm of PATH.
        let others = env::var_os("PATH").context("no PATH")?;
        let path = env::join_paths([folder.clone()].into_iter().chain(env::split_paths(&others)))?;
        run(cargo().args(["test", "--test", "integration", "--", "chart::", "gitops::"]).env("PATH", path))?;
        Ok(Outcome::Passed(output(command(folder.join("helm")).args(["version", "--short"]))?))
    },
};
