//! What people look at works in the programs that they look with.

use super::{Outcome, Step, ignored_test};

/// The tests of `tests/integration/monitoring/`, which are ignored elsewhere because they build Prometheus.
const TESTS: [&str; 2] =
    ["monitoring::prometheus::rules_pass_promtool", "monitoring::prometheus::the_dashboard_shows_a_running_operator"];

pub const STEP: Step = Step {
    name: "prometheus",
    claim: "promtool accepts the alert rules and their unit tests, and a real Prometheus that scrapes the operator answers \
            every query of the dashboard and evaluates every rule.",
    run: || {
        for test in TESTS {
            ignored_test(test, &[])?;
        }
        Ok(Outcome::Passed(format!("{} tests", TESTS.len())))
    },
};
