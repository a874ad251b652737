//! The report as text or JSON.

use std::fmt::Write;

use serde::Serialize;

use crate::{
    controller::{
        index::StoreKey,
        preflight::report::{Line, Report, StoreReport, Verdict},
    },
    domain::report::text::printable,
};

impl Report {
    /// Returns the report as text: for each store a headline, and a line for each check.
    pub fn text(&self) -> String {
        let checks = self.stores.iter().flat_map(|report| &report.lines).map(label);
        let width = checks.map(|label| label.chars().count()).max().unwrap_or_default();
        let mut text = String::new();
        for StoreReport { store, lines } in &self.stores {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", printable(&headline(store)));
            for line in lines {
                let verdict = match line.verdict {
                    Verdict::Ok => "ok",
                    Verdict::Failed => "FAILED",
                    Verdict::Skipped => "-",
                };
                let _ = writeln!(text, "  {verdict:<6}  {:<width$}  {}", label(line), printable(&line.message));
            }
            text.push('\n');
        }
        let failed = self.stores.iter().filter(|report| !report.is_ok()).count();
        let _ = match failed {
            0 => writeln!(text, "Everything that was tried works."),
            _ => writeln!(text, "Something does not work in {failed} of {} stores.", self.stores.len()),
        };
        text
    }

    /// Returns the report as one JSON object.
    ///
    /// # Errors
    /// One sentence, if that is not possible.
    pub fn json(&self) -> Result<String, String> {
        let stores = self.stores.iter().map(Entry::of).collect();
        let printed = Printed { ok: self.is_ok(), stores };
        let text = serde_json::to_string_pretty(&printed);
        text.map(|text| text + "\n").map_err(|error| format!("Cannot print the report as JSON: {error}."))
    }
}

fn headline(store: &StoreKey) -> String {
    let StoreKey { kind, namespace, name } = store;
    namespace.as_ref().map_or_else(|| store.to_string(), |namespace| format!("{} {namespace}/{name}", kind.as_str()))
}

fn label(line: &Line) -> String {
    line.namespace.as_ref().map_or_else(|| line.check.to_owned(), |namespace| format!("{} ({namespace})", line.check))
}

/// The output for scripts.
#[derive(Serialize)]
struct Printed<'a> {
    ok: bool,
    stores: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    kind: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    ok: bool,
    checks: Vec<Checked<'a>>,
}

#[derive(Serialize)]
struct Checked<'a> {
    check: &'static str,
    /// The namespace whose session was used, if each has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    message: &'a str,
}

impl<'a> Entry<'a> {
    fn of(report: &'a StoreReport) -> Self {
        let check = |line: &'a Line| Checked {
            check: line.check,
            namespace: line.namespace.as_deref(),
            result: line.verdict.as_str(),
            reason: line.reason.map(crate::api::Reason::as_str),
            message: &line.message,
        };
        let StoreKey { kind, namespace, name } = &report.store;
        Self {
            kind: kind.as_str(),
            name,
            namespace: namespace.as_deref(),
            ok: report.is_ok(),
            checks: report.lines.iter().map(check).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{Reason, StoreKind},
        controller::preflight::report::{CREDENTIALS, GET_PARAMETERS},
        domain::Fault,
    };

    fn report() -> Report {
        let store = StoreKey { kind: StoreKind::ParameterStore, namespace: Some("shop".into()), name: "own".into() };
        let denied = Line::failed(GET_PARAMETERS, Fault::new(Reason::AccessDenied, "No.\u{1b}[2J"));
        let lines = vec![Line::ok(CREDENTIALS, "arn"), denied.within(Some("shop"))];
        Report { stores: vec![StoreReport { store, lines }] }
    }

    #[test]
    fn text_is_aligned_and_steers_no_terminal() {
        let expected = "ParameterStore shop/own\n  ok      credentials               arn\n  FAILED  ssm:GetParameters (shop)  \
                        No. [2J\n\nSomething does not work in 1 of 1 stores.\n";
        assert_eq!(report().text(), expected);
    }

    #[test]
    fn scripts_learn_what_failed_and_why() {
        let json: serde_json::Value = serde_json::from_str(&report().json().expect("JSON")).expect("JSON");
        assert_eq!(json["ok"], false);
        let check = &json["stores"][0]["checks"][1];
        assert_eq!((&check["result"], &check["reason"]), (&"Failed".into(), &"AccessDenied".into()));
        assert_eq!((&check["namespace"], &json["stores"][0]["namespace"]), (&"shop".into(), &"shop".into()));
    }
}
