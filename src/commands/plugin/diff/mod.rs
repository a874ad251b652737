//! `diff`: which keys of Secrets changed manifests would change. Values are not read.

mod compare;
mod target;

use serde::Serialize;

use self::compare::{Compared, Sides, compare, pending};
use crate::{
    api::SecureParameter,
    cli::DiffArgs,
    commands::{
        manifests,
        plugin::{
            printed::{Printed, print},
            store::Store,
            text::columns,
        },
    },
    domain::{access::namespace::Namespace, report::text::printable},
    kubernetes::user_session::{Seen, UserSession},
};

/// The output for scripts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    objects: Vec<Compared>,
}

/// Returns which keys would change.
///
/// # Errors
/// One sentence, if manifests or objects cannot be read, or there are none.
pub(super) async fn diff(session: &UserSession, args: &DiffArgs) -> Result<Printed, String> {
    let mut objects = Vec::new();
    if args.filename.is_empty() {
        let name = args.name.as_deref().unwrap_or_default();
        let object = session.object(name).await?;
        let seen = session.store_of(&object).await?;
        objects.push(pending(&object, Store::all(&seen.listing).first(), store_note(&object, &seen)));
    }
    for manifest in manifests(session, args)? {
        objects.push(compare_one(session, &manifest).await?);
    }
    let is_ok = objects.iter().all(|object| !object.is_changed && object.refused.is_none());
    let report = Report { objects };
    let text = print(args.output, &report, || report.objects.iter().map(text).collect::<Vec<_>>().join("\n"))?;
    Ok(Printed::new(text, is_ok))
}

fn manifests(session: &UserSession, args: &DiffArgs) -> Result<Vec<SecureParameter>, String> {
    if args.filename.is_empty() {
        return Ok(Vec::new());
    }
    let mut objects = manifests::read(&args.filename, Some(session.namespace()))?.secure_parameters;
    objects.retain(|object| args.name.is_none() || object.metadata.name == args.name);
    if objects.is_empty() {
        return Err("No SecureParameter was found in the manifests; correct --filename or the name.".to_owned());
    }
    Ok(objects)
}

async fn compare_one(session: &UserSession, manifest: &SecureParameter) -> Result<Compared, String> {
    let (namespace, name) = place(manifest);
    let live = session.find_object(namespace, name).await?;
    let seen = session.store_of(manifest).await?;
    let seen_before = match &live {
        Some(live) => session.store_of(live).await?,
        None => seen.clone(),
    };
    let found = session.find_namespace(namespace).await?;
    let reader = Namespace {
        name: namespace.to_owned(),
        is_hidden: found.is_none(),
        labels: found.and_then(|found| found.metadata.labels).unwrap_or_default(),
    };
    let (before, after) = (Store::all(&seen_before.listing), Store::all(&seen.listing));
    let sides = Sides { live: live.as_ref(), live_store: before.first(), manifest, store: after.first() };
    Ok(compare(&sides, &reader, store_note(manifest, &seen)))
}

/// Says why the store is not known, if it is not.
fn store_note(object: &SecureParameter, seen: &Seen) -> Option<String> {
    let (kind, name) = object.spec.store();
    if !Store::all(&seen.listing).is_empty() {
        return None;
    }
    let title = format!("{} {name}", kind.as_str());
    Some(if seen.are_cluster_stores_hidden {
        format!("This user may not read {title}: its prefix and its access rules are not taken into account.")
    } else {
        format!("{title} does not exist.")
    })
}

fn place(object: &SecureParameter) -> (&str, &str) {
    let meta = &object.metadata;
    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

fn text(compared: &Compared) -> String {
    let mut lines = vec![format!("SecureParameter {}/{}", compared.namespace, compared.name)];
    let row = |change: &compare::Changed| vec![change.sign.to_owned(), change.key.clone(), change.text()];
    lines.extend(columns(&compared.changes.iter().map(row).collect::<Vec<_>>()));
    lines.extend(compared.unknown.iter().map(|unknown| format!("?  keys of {unknown}: known once they are read")));
    lines.extend(compared.refused.iter().map(|refused| format!("The operator would refuse it: {refused}")));
    lines.extend(compared.notes.iter().cloned());
    lines.push(compared.summary());
    let lines: Vec<_> = lines.iter().map(|line| printable(line)).collect();
    lines.join("\n  ") + "\n"
}
