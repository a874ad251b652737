//! `status`: what is wrong, where, and what to do.

mod findings;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use self::findings::{Finding, Severity, findings};
use crate::{
    cli::LookArgs,
    commands::plugin::{
        printed::{Printed, print},
        text::{age, columns, count},
    },
    domain::report::text::printable,
    kubernetes::user_session::{Seen, UserSession},
};

/// The output for scripts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Whether nothing is broken.
    ok: bool,
    secure_parameters: usize,
    stores: usize,
    /// Whether the user may not read ClusterParameterStores.
    cluster_stores_hidden: bool,
    findings: Vec<Finding>,
}

/// Returns what is wrong.
///
/// # Errors
/// One sentence, if the objects cannot be read.
pub(super) async fn status(session: &UserSession, args: &LookArgs) -> Result<Printed, String> {
    let namespace = (!args.all_namespaces).then(|| session.namespace());
    let seen = match &args.name {
        Some(name) => session.object_and_store(name).await?,
        None => session.objects(namespace).await?,
    };
    let report = Report::of(&seen);
    let text = print(args.output, &report, || report.text(namespace, Timestamp::now()))?;
    Ok(Printed::new(text, report.ok))
}

impl Report {
    fn of(seen: &Seen) -> Self {
        let findings = findings(seen);
        Self {
            ok: findings.iter().all(|finding| finding.severity != Severity::Broken),
            secure_parameters: seen.listing.secure_parameters.len(),
            stores: seen.listing.stores.len() + seen.listing.cluster_stores.len(),
            cluster_stores_hidden: seen.are_cluster_stores_hidden,
            findings,
        }
    }

    fn text(&self, namespace: Option<&str>, now: Timestamp) -> String {
        let mut lines = Vec::new();
        let mut rows = vec![["STATE", "REASON", "OBJECT", "AGE"].map(str::to_owned).to_vec()];
        rows.extend(self.findings.iter().map(|finding| row(finding, now)));
        let mut table = columns(&rows).into_iter();
        if !self.findings.is_empty() {
            lines.extend(table.next());
        }
        for (finding, row) in self.findings.iter().zip(table) {
            lines.extend([row, format!("  {}", printable(&finding.message))]);
            lines.extend(finding.next_step.as_ref().map(|step| format!("  Next: {step}")));
            lines.push(String::new());
        }
        lines.push(self.summary(namespace));
        if self.cluster_stores_hidden {
            lines.push(
                "ClusterParameterStores are not shown: that takes the role view for the whole cluster.".to_owned(),
            );
        }
        lines.join("\n") + "\n"
    }

    fn summary(&self, namespace: Option<&str>) -> String {
        let place = namespace.map_or_else(|| "the cluster".to_owned(), |namespace| format!("namespace {namespace}"));
        let objects = [count(self.secure_parameters, "SecureParameter"), count(self.stores, "store")].join(" and ");
        let number = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let numbers = [(Severity::Broken, "broken"), (Severity::Warning, "warning"), (Severity::Note, "note")];
        let numbers = numbers.map(|(severity, noun)| match severity {
            Severity::Broken => (number(severity), format!("{} broken", number(severity))),
            _ => (number(severity), count(number(severity), noun)),
        });
        let numbers: Vec<_> = numbers.into_iter().filter(|(number, _)| *number > 0).map(|(_, text)| text).collect();
        let result = if numbers.is_empty() { "all fine".to_owned() } else { numbers.join(", ") };
        match (self.secure_parameters, self.stores) {
            (0, 0) => format!("There is no SecureParameter and no store in {place}."),
            // Of a namespace that is misspelt, cluster stores would be fine too.
            (0, stores) => format!("There is no SecureParameter in {place}. {}: {result}.", count(stores, "store")),
            _ => format!("{objects}: {result}."),
        }
    }
}

fn row(finding: &Finding, now: Timestamp) -> Vec<String> {
    let Finding { kind, namespace, name, severity, reason, since, .. } = finding;
    let object = namespace.as_ref().map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}"));
    let since = since.map(|since| age(now, since)).unwrap_or_default();
    vec![severity.as_str().to_owned(), reason.clone(), format!("{kind} {object}"), since]
}
