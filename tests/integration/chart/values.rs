//! The values: their schema describes every one, refuses wrong ones, and the table in the chart's README lists them all.

use std::{fmt::Write, fs};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{chart, rendered, same_as_file};

/// First line of the table.
const HEADER: &str = "| Value | Default | Meaning |\n";

fn defaults() -> Result<Value> {
    Ok(serde_yaml::from_str(&fs::read_to_string(chart().join("values.yaml"))?)?)
}

fn schema() -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json"))?)?)
}

#[test]
fn every_value_is_in_the_schema_and_described() -> Result<()> {
    check_described(&defaults()?, &schema()?, "values");
    Ok(())
}

/// Checks that every value has a type and a description, and that unknown names are refused.
fn check_described(value: &Value, schema: &Value, path: &str) {
    assert!(schema["description"].is_string(), "{path} has no description");
    assert!(!schema["type"].is_null(), "{path} has no type");
    let Some(properties) = schema["properties"].as_object() else { return };
    assert_eq!(schema["additionalProperties"], false, "{path} accepts unknown names");
    if is_empty(value) {
        return;
    }
    for name in value.as_object().into_iter().flatten().map(|(name, _)| name) {
        assert!(properties.contains_key(name), "{path}.{name} is not in the schema");
    }
    for (name, property) in properties {
        assert!(name == "global" || !value[name].is_null(), "{path}.{name} has no default");
        check_described(&value[name], property, &format!("{path}.{name}"));
    }
}

/// Reports whether a value is a structure of which the chart sets nothing.
fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// `UPDATE=1` rewrites the table.
#[test]
fn the_readme_lists_every_value() -> Result<()> {
    let path = chart().join("README.md");
    let text = fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(HEADER).context("README.md of the chart has no table of values")?;
    let after = rest.find("\n\n").map_or("", |end| &rest[end + 1..]);
    let mut table = format!("{before}{HEADER}| --- | --- | --- |\n");
    add_rows(&mut table, "", "", &defaults()?, &schema()?)?;
    same_as_file(&path, &(table + after), "chart::values")
}

/// Adds a row for each value below `path`, which is about `subject`.
fn add_rows(table: &mut String, path: &str, subject: &str, value: &Value, schema: &Value) -> Result<()> {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let (path, value) = (format!("{path}{name}"), &value[name]);
        let description = property["description"].as_str().context("a description")?;
        if name == "global" && value.is_null() {
            continue;
        }
        if property["properties"].is_object() && !is_empty(value) {
            add_rows(table, &format!("{path}."), description.trim_end_matches('.'), value, property)?;
        } else {
            let meaning =
                if subject.is_empty() { description } else { &format!("{subject}: {}", uncapitalised(description)) };
            writeln!(table, "| `{path}` | `{value}` | {} |", meaning.replace('|', "\\|"))?;
        }
    }
    Ok(())
}

/// The text with a small first letter, except for names and abbreviations.
fn uncapitalised(text: &str) -> String {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() && !text.starts_with("ParameterStores") => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

#[tokio::test]
async fn invalid_values_are_refused() -> Result<()> {
    for (values, words) in [
        ("nonsense=1", "'nonsense' not allowed"),
        ("image.version=1", "'version' not allowed"),
        ("replicaCount=-1", "/replicaCount': minimum: got -1, want 0"),
        ("replicaCount=two", "/replicaCount': got string, want integer"),
        ("leaderElection.leaseDuration=1m", "/leaderElection/leaseDuration': '1m' does not match pattern '^[0-9]+s$'"),
        ("leaderElection.leaseName=My_Lease", "/leaderElection/leaseName"),
        ("extraEnv[0].value=x", "/extraEnv/0': missing property 'name'"),
        ("extraEnvFrom[0].secret=x", "/extraEnvFrom/0': additional properties 'secret' not allowed"),
        ("extraArgs.x=y", "/extraArgs': got object, want array"),
        ("extraContainers[0].name=x", "/extraContainers/0': missing property 'image'"),
        ("extraObjects.x=y", "/extraObjects': got object, want array"),
        ("log.format=xml", "/log/format': value must be one of 'json', 'text'"),
        ("concurrency=0", "/concurrency': minimum: got 0, want 1"),
        ("namespaces={Shop}", "/namespaces/0"),
        ("namespaceOverride=Shop", "/namespaceOverride"),
        ("serviceAccountTokens[0].name=x", "'namespace'"),
        ("image.digest=latest", "/image/digest"),
        ("image.repository=example.com/spo:v1", "/image/repository"),
        ("image.repository=https://example.com/spo", "/image/repository"),
        ("commonLabels.team=a b", "/commonLabels/team"),
        ("commonAnnotations.count=1", "/commonAnnotations/count': got number, want string"),
        ("strategy.type=Canary", "/strategy/type': value must be one of 'RollingUpdate', 'Recreate'"),
        ("podDisruptionBudget.maxUnavailable=half", "/podDisruptionBudget/maxUnavailable"),
        ("podDisruptionBudget.minAvailable=101%", "/podDisruptionBudget/minAvailable"),
        ("podDisruptionBudget.enabled=true", "'enabled' not allowed"),
        ("livenessProbe.periodSeconds=0", "/livenessProbe/periodSeconds': minimum: got 0, want 1"),
        ("livenessProbe.httpGet.path=/x", "'httpGet' not allowed"),
        ("resources.limit.memory=1Gi", "'limit' not allowed"),
        ("hostNetwork=maybe", "/hostNetwork': got string, want boolean"),
        ("dnsPolicy=None of it", "/dnsPolicy': value must be one of"),
        ("hostAliases[0].ip=10.0.0.1", "/hostAliases/0': missing property 'hostnames'"),
        ("networkPolicy.dnsTo[0].cidr=10.0.0.0/8", "/networkPolicy/dnsTo/0': additional properties 'cidr' not allowed"),
        ("networkPolicy.apiServerPorts={}", "/networkPolicy/apiServerPorts/0"),
        ("metrics.serviceMonitor.interval=often", "/metrics/serviceMonitor/interval"),
        ("metrics.serviceMonitor.relabelings.a=b", "/metrics/serviceMonitor/relabelings': got object, want array"),
        ("metrics.service.port=99999", "/metrics/service/port': maximum: got 99,999, want 65,535"),
        // What the schema cannot say, or not clearly, templates do.
        ("leaderElection.leaseDuration=1s", "leaseDuration is 1s; write whole seconds, from 2s to 3600s"),
        ("leaderElection.leaseDuration=3601s", "leaseDuration is 3601s; write whole seconds, from 2s to 3600s"),
        ("extraEnv[0].name=LOG_SENSITIVE_BODIES", "would make the AWS SDK log decrypted values; remove it"),
        ("leaderElection.enabled=false", "set leaderElection.enabled=true, or replicaCount=1"),
        ("serviceAccount.create=false", "serviceAccount.name is required"),
        ("watchSelector=team in a", "no selector of labels; write one as kubectl --selector takes it"),
        ("watchSelector=team==a=b", "watchSelector is \"team==a=b\""),
        (
            "metrics.serviceMonitor.create=true,metrics.podMonitor.create=true",
            "scraped twice; set one of them to false",
        ),
    ] {
        let error = rendered(&["--set", values]).await.expect_err(values).to_string();
        assert!(error.contains(words), "{values}: {error}");
    }
    Ok(())
}
