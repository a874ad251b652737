//! The policies as text or JSON.

use std::{collections::BTreeMap, fmt::Write};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::iam::advice::Advice;

/// Returns the policies as text: for each a comment that says what it is, and then its JSON.
pub(super) fn text(advice: &[Advice]) -> String {
    let mut text = String::new();
    for Advice { store, namespace, scope, identity, objects, notes, documents } in advice {
        let whom = namespace.as_ref().map(|namespace| format!(" for namespace {namespace}")).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# {store}{whom}");
        let _ = writeln!(text, "# Account {}, region {}, read as {identity}", scope.account, scope.region);
        let _ =
            writeln!(text, "# Objects: {}", if objects.is_empty() { "none".to_owned() } else { objects.join(", ") });
        for note in notes {
            let _ = writeln!(text, "# Note: {note}");
        }
        for document in documents {
            let _ = writeln!(text, "\n# {}:\n{}", document.title, document.json);
        }
        text.push('\n');
    }
    text
}

/// The output for scripts.
#[derive(Serialize)]
struct Printed<'a> {
    identities: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    kind: &'static str,
    name: &'a str,
    #[serde(rename = "storeNamespace", skip_serializing_if = "Option::is_none")]
    store_namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    account: &'a str,
    region: &'a str,
    identity: &'a str,
    objects: &'a [String],
    notes: &'a [String],
    documents: BTreeMap<&'a str, &'a RawValue>,
}

/// Returns the policies as one JSON object.
///
/// # Errors
/// One sentence, if a policy is not JSON.
pub(super) fn json(advice: &[Advice]) -> Result<String, String> {
    let cannot = |error| format!("Cannot print the policies as JSON: {error}.");
    let identities: Result<Vec<_>, _> = advice.iter().map(entry).collect();
    let printed = Printed { identities: identities.map_err(cannot)? };
    Ok(serde_json::to_string_pretty(&printed).map_err(cannot)? + "\n")
}

fn entry(advice: &Advice) -> Result<Entry<'_>, serde_json::Error> {
    let documents = advice.documents.iter().map(|document| {
        let raw: &RawValue = serde_json::from_str(&document.json)?;
        Ok((document.key.as_str(), raw))
    });
    Ok(Entry {
        kind: advice.store.kind.as_str(),
        name: &advice.store.name,
        store_namespace: advice.store.namespace.as_deref(),
        namespace: advice.namespace.as_deref(),
        account: &advice.scope.account,
        region: &advice.scope.region,
        identity: &advice.identity,
        objects: &advice.objects,
        notes: &advice.notes,
        documents: documents.collect::<Result<_, _>>()?,
    })
}
