//! An object for each reason, with the conditions that the operator's own code builds, and the health that it means.

use std::fs;

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use secure_parameter_operator::api::{Condition, Conditions, Progress, Reason, crds};
use serde_json::{Value, json};

use crate::support::chart::repository;

/// An object as it may stand in a cluster.
pub struct Recorded {
    /// Its reason, and what is special about it.
    pub name: String,
    pub object: Value,
    /// Status and message in Argo CD.
    pub health: (&'static str, String),
}

/// The generation of the objects.
const GENERATION: i64 = 2;

/// An object of this kind, without a status.
pub fn bare(kind: &str) -> Value {
    let (name, spec) = match kind {
        "SecureParameter" => {
            ("checkout", json!({"data": [{"key": "DB_PASSWORD", "parameter": "/shop/checkout/db-password"}]}))
        }
        _ => ("default", json!({"region": "eu-central-1"})),
    };
    let mut metadata = json!({"name": name, "generation": GENERATION});
    if kind != "ClusterParameterStore" {
        metadata["namespace"] = json!("shop");
    }
    json!({"apiVersion": "secureparameter.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
}

/// Builds conditions as the operator does, at the beginning of 2026.
fn new(previous: &[Condition]) -> Conditions<'_> {
    Conditions::new(previous, Some(GENERATION), Timestamp::from_second(1_767_225_600).unwrap_or_default())
}

fn with(kind: &str, conditions: &[Condition]) -> Result<Value> {
    let mut object = bare(kind);
    object["status"] = json!({"observedGeneration": GENERATION, "conditions": serde_json::to_value(conditions)?});
    Ok(object)
}

/// What the documentation says about each reason.
fn meanings() -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(repository().join("docs/reasons.md"))?;
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let cell = |index: usize| Ok::<_, anyhow::Error>(cells.get(index).copied().context("a cell")?.to_owned());
        Ok((cell(1)?.trim_matches('`').to_owned(), cell(4)?))
    })
    .collect()
}

/// An object of this kind for each reason that it can have.
pub fn objects(kind: &str) -> Result<Vec<Recorded>> {
    let meanings = meanings()?;
    let mut all = Vec::new();
    for &reason in Reason::ALL {
        let (_, meaning) = meanings.iter().find(|(name, _)| name == reason.as_str()).context("a documented reason")?;
        let ready = new(&[]).ready(Reason::Synced, "The Secret has 1 key from 1 parameter.");
        let says = format!("{reason}: {meaning}");
        let mut add = |name: String, object: Value, status: &'static str, message: &str| {
            all.push(Recorded { name, object, health: (status, message.to_owned()) });
        };
        let beside = |is_done: bool| [ready.clone(), vec![new(&[]).restarted(is_done, reason, meaning)]].concat();
        let name = reason.as_str().to_owned();
        match reason {
            Reason::Suspended | Reason::RestartPending | Reason::Restarted | Reason::RestartFailed
                if kind != "SecureParameter" => {}
            Reason::Synced => {
                add(name, with(kind, &ready)?, "Healthy", "Synced: The Secret has 1 key from 1 parameter.");
            }
            Reason::Progressing => {
                let (object, message) = unreported(kind)?;
                add(name, object, "Progressing", &format!("Progressing: {message}"));
            }
            Reason::Suspended => {
                let mut object = with(kind, &new(&ready).suspended(meaning))?;
                object["spec"]["suspend"] = json!(true);
                add(name, object, "Suspended", "Suspended by spec.suspend: nothing is read or written");
            }
            Reason::Restarted => {
                add(name, with(kind, &beside(true))?, "Healthy", "Synced: The Secret has 1 key from 1 parameter.");
            }
            Reason::RestartPending => add(name, with(kind, &beside(false))?, "Progressing", &says),
            Reason::RestartFailed => add(name, with(kind, &beside(false))?, "Degraded", &says),
            _ => {
                let status = if reason.progress() == Progress::Stalled { "Degraded" } else { "Progressing" };
                add(name.clone(), with(kind, &new(&[]).not_ready(reason, meaning))?, status, &says);
                if reason.is_outage() {
                    // A good Secret keeps the object Ready for a while.
                    add(name + "-tolerated", with(kind, &new(&[]).ready(reason, meaning))?, "Healthy", &says);
                }
            }
        }
    }
    Ok(all)
}

/// An object that the operator has not reported on: the API server shows the default of the definition.
fn unreported(kind: &str) -> Result<(Value, String)> {
    let definitions = crds();
    let (_, definition) = definitions
        .iter()
        .find(|(_, definition)| definition["spec"]["names"]["kind"] == kind)
        .context("a definition")?;
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut object = bare(kind);
    object["status"] = schema["properties"]["status"]["default"].clone();
    let message = object["status"]["conditions"][0]["message"].as_str().context("a message")?.to_owned();
    Ok((object, message))
}
