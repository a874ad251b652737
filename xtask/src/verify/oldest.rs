//! What is promised of the oldest versions holds.

use super::{Outcome, Step};
use crate::process::{cargo, run};

/// Behaviours that depend on the API server or on Helm.
const TESTS: [&str; 8] =
    ["chart::", "election::takeover", "gitops::", "main_job::", "ownership::", "rollout::", "schema::", "secret::"];

pub const STEP: Step = Step {
    name: "oldest",
    claim: "The operator and its chart work with Kubernetes 1.33 and Helm 3.18, the oldest versions that are supported.",
    run: || {
        run(cargo().args(["test", "--test", "integration", "--"]).args(TESTS).env("TESTBED_OLDEST", "1"))?;
        Ok(Outcome::Passed(TESTS.map(|test| test.trim_end_matches("::")).join(", ")))
    },
};
