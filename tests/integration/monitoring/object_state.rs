//! The configuration of kube-state-metrics refers to fields that our definitions have.

use anyhow::{Context, Result, bail, ensure};
use secure_parameter_operator::api::crds;
use serde_json::Value;

use super::{
    exposition::{each, list},
    yaml,
};

#[test]
fn every_path_is_a_field() -> Result<()> {
    let mut kinds = Vec::new();
    for resource in list(&yaml("monitoring/kube-state-metrics.yaml")?["spec"]["resources"]) {
        let (schema, kind) = definition(&resource["groupVersionKind"])?;
        for (label, path) in resource["labelsFromPath"].as_object().context("no labels")? {
            field(&schema, path).with_context(|| format!("{kind}: {label}"))?;
        }
        for metric in list(&resource["metrics"]) {
            check(&schema, &metric).with_context(|| format!("{kind}: {metric}"))?;
        }
        kinds.push(kind);
    }
    assert_eq!(kinds, ["SecureParameter", "ClusterParameterStore", "ParameterStore"]);
    Ok(())
}

fn check(schema: &Value, metric: &Value) -> Result<()> {
    ensure!(metric["help"].is_string(), "no help");
    let (each, type_) = each(metric)?;
    let mut at = field(schema, &each["path"])?;
    if at["type"] == "array" {
        // One figure for each element.
        at = at["items"].clone();
    }
    for path in each["labelsFromPath"].as_object().into_iter().flat_map(serde_json::Map::values) {
        ensure!(field(&at, path)?["type"] == "string", "no text");
    }
    if type_ == "gauge" {
        let value = if each["valueFrom"].is_null() { at } else { field(&at, &each["valueFrom"])? };
        // Of text, kube-state-metrics takes times and the statuses of conditions.
        let is_time = value["format"] == "date-time";
        let is_status = value["enum"].as_array().is_some_and(|values| values.iter().any(|value| value == "Unknown"));
        ensure!(value["type"] != "string" || is_time || is_status, "{value} is no number");
        ensure!(value["type"] != "object", "{value} is no number");
    }
    Ok(())
}

/// The schema of a kind, with the metadata that all kinds have.
fn definition(kind: &Value) -> Result<(Value, String)> {
    let name = kind["kind"].as_str().context("no kind")?;
    let found = crds().into_iter().map(|(_, definition)| definition).find(|one| one["spec"]["names"]["kind"] == name);
    let found = found.with_context(|| format!("there is no {name}"))?;
    ensure!(found["spec"]["group"] == kind["group"], "another group");
    let versions = list(&found["spec"]["versions"]);
    let version = versions.iter().find(|version| version["name"] == kind["version"]).context("no such version")?;
    let mut schema = version["schema"]["openAPIV3Schema"].clone();
    let metadata = [("name", "string"), ("namespace", "string"), ("generation", "integer")];
    for (field, type_) in metadata {
        schema["properties"]["metadata"]["properties"][field]["type"] = type_.into();
    }
    Ok((schema, name.to_owned()))
}

fn field(schema: &Value, path: &Value) -> Result<Value> {
    let mut at = schema;
    for part in path.as_array().context("no path")? {
        let part = part.as_str().context("not a name")?;
        match at["properties"].get(part) {
            Some(next) => at = next,
            None => bail!("there is no field {part} in {path}"),
        }
    }
    Ok(at.clone())
}

#[test]
fn a_field_that_does_not_exist_is_found() -> Result<()> {
    let (schema, _) = definition(&serde_json::json!({
        "group": "secureparameter.io", "version": "v1alpha1", "kind": "SecureParameter"
    }))?;
    for wrong in [["status", "secrets"], ["spec", "suspended"], ["metadata", "names"]] {
        ensure!(field(&schema, &serde_json::json!(wrong)).is_err(), "{wrong:?} passes");
    }
    Ok(())
}
