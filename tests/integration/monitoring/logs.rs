//! The log, as another program reads it: every line about an object says which and why, and the recipes of docs/logs.md
//! that split the log from the audit stream are consistent.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::{
    repo::pages::Page,
    support::{PATIENCE, World, force, object, store},
};

/// The code that works on objects and stores. `secure_parameter` and `store` are folders.
const ABOUT_OBJECTS: [&str; 4] = ["secure_parameter::", "store::", "observed", "isolated"];
const KINDS: [&str; 3] = ["SecureParameter", "ClusterParameterStore", "ParameterStore"];

fn lines(world: &World) -> Result<Vec<Value>> {
    let log = world.operator().log()?;
    let complete = log.rfind('\n').map_or("", |end| &log[..end]);
    complete.lines().map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}"))).collect()
}

fn is_about_object(line: &Value) -> bool {
    let target =
        line["target"].as_str().and_then(|target| target.strip_prefix("secure_parameter_operator::controller::"));
    target.is_some_and(|target| ABOUT_OBJECTS.iter().any(|begin| target.starts_with(begin)))
}

/// Starts a world with an object that is in sync, one that is denied and then is not, and a store whose role is denied.
async fn troubled(arguments: &[&'static str]) -> Result<World> {
    let mut world = World::without_operator().await?;
    world.set_arguments(arguments);
    world.start_operator().await?;
    world.aws.put("/shop/db", "value");
    world.aws.put("/shop/denied", "value");
    let rule = world.aws.deny("ssm:GetParameters", &world.aws.parameter_arn("/shop/denied"));
    let identity = json!({"identity": {"assumeRoles": [{"roleARN": "arn:aws:iam::111122223333:role/none"}]}});
    world.apply(&store("broken", &identity)).await?;
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.apply(&object("denied", &[("DB", "/shop/denied")], &json!({}))).await?;
    world.synced("checkout").await?;
    world.wait_for("denied", "False", "AccessDenied").await?;
    world.wait_for_store("broken", "AccessDenied").await?;
    world.aws.undeny(rule);
    force(&world, "denied").await?;
    world.synced("denied").await?;
    Ok(world)
}

#[tokio::test]
async fn every_line_about_an_object_says_which_and_why() -> Result<()> {
    let world = troubled(&["--log-filter", "info,secure_parameter_operator=debug"]).await?;
    let named = |name: &str, message: &str| -> Result<Option<Value>> {
        let lines = lines(&world)?.into_iter();
        let mut lines =
            lines.filter(|line| line["name"] == name && line["message"].as_str().is_some_and(|m| m.contains(message)));
        Ok(lines.next())
    };
    eventually("the object to be told to be in sync", PATIENCE, async || named("denied", "synced again")).await?;
    let recovered = named("denied", "synced again")?.context("no line")?;
    let (denied, store) = (named("denied", "may not")?, named("broken", "may not")?);
    let (denied, store) = denied.zip(store).context("no line about what is denied")?;
    let mut objects = 0;
    for line in lines(&world)?.iter().filter(|line| is_about_object(line)) {
        objects += 1;
        ensure!(KINDS.iter().any(|kind| line["kind"] == *kind), "no kind: {line}");
        ensure!(line["namespace"].is_string() || line["kind"] == "ClusterParameterStore", "no namespace: {line}");
        for field in ["name", "reason", "reconcileID", "level", "timestamp", "message"] {
            ensure!(line[field].is_string(), "no {field}: {line}");
        }
        ensure!(line["span"].is_null() && line["object.ref"].is_null(), "not what is ours: {line}");
    }
    ensure!(objects >= 8, "only {objects} lines about objects");
    assert_eq!(
        (&denied["level"], &denied["reason"], &denied["kind"]),
        (&json!("WARN"), &json!("AccessDenied"), &json!("SecureParameter"))
    );
    assert_eq!((&recovered["level"], &recovered["reason"]), (&json!("INFO"), &json!("Synced")));
    assert_eq!((&store["kind"], &store["reason"]), (&json!("ClusterParameterStore"), &json!("AccessDenied")));
    check_requests(&world, &[(&denied, true), (&store, true), (&recovered, false)])?;

    // One id for each pass, and one line at the end of each.
    let ended: Vec<_> = lines(&world)?.into_iter().filter(|line| line["message"] == "reconciled").collect();
    let ids: BTreeSet<_> = ended.iter().map(|line| line["reconcileID"].to_string()).collect();
    assert_eq!(ids.len(), ended.len());
    ensure!(ids.contains(&denied["reconcileID"].to_string()), "the line about what failed is of another pass");
    Ok(())
}

/// Checks that each line names a request that the audit stream has, which failed or not.
fn check_requests(world: &World, lines: &[(&Value, bool)]) -> Result<()> {
    let audit = world.operator().audit()?;
    for (line, failed) in lines {
        let mut records = audit.iter().map(|record| &record["cloudtrail"]);
        let record = records.find(|record| record["requestID"] == line["requestID"]);
        let record = record.with_context(|| format!("no record of the request of {line}"))?;
        ensure!(record["errorCode"].is_string() == *failed, "{line}: {record}");
    }
    Ok(())
}

/// The names are those of a span, which a filter could leave out.
#[tokio::test]
async fn a_filter_leaves_the_names_on_the_lines() -> Result<()> {
    let world = troubled(&["--log-filter", "warn"]).await?;
    let lines = lines(&world)?;
    let denied = lines.iter().find(|line| line["name"] == "denied").context("no line about the object")?;
    ensure!(denied["namespace"] == "shop" && denied["requestID"].is_string(), "{denied}");
    ensure!(lines.iter().all(|line| line["level"] != "INFO" && line["level"] != "DEBUG"), "{lines:#?}");
    Ok(())
}

/// The steps of a pipeline by name, and the names of those that each takes its input from.
type Steps = BTreeMap<String, Vec<String>>;

#[test]
fn recipes_are_consistent() -> Result<()> {
    let mut found = BTreeSet::new();
    for block in Page::read("docs/logs.md")?.blocks()?.iter().filter(|block| block.language == "yaml") {
        let manifest: Value = serde_yaml::from_str(&block.text)?;
        for (file, content) in manifest["data"].as_object().into_iter().flatten() {
            let content = content.as_str().context("no text")?;
            let config: Value = serde_yaml::from_str(content).with_context(|| file.clone())?;
            match file.as_str() {
                "vector.yaml" => check_vector(&config)?,
                "fluent-bit.yaml" => check_fluent_bit(&config)?,
                other => anyhow::bail!("no check for {other}"),
            }
            // What goes where is decided by the stream alone, or by the schema that each audit record names.
            ensure!(content.contains("stdout") && content.contains("secure-parameter-operator"), "{content}");
            found.insert(file.clone());
        }
    }
    assert_eq!(found, ["fluent-bit.yaml", "vector.yaml"].map(str::to_owned).into());
    Ok(())
}

fn check_vector(config: &Value) -> Result<()> {
    let mut steps = Steps::new();
    for part in ["sources", "transforms", "sinks"] {
        for (name, step) in config[part].as_object().with_context(|| format!("no {part}"))? {
            ensure!(step["type"].is_string(), "{name} has no type");
            let inputs = step["inputs"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let inputs: Vec<_> = inputs.map(str::to_owned).collect();
            ensure!(inputs.is_empty() == (part == "sources"), "{name} has the inputs {inputs:?}");
            steps.insert(name.clone(), inputs);
            for route in step["route"].as_object().into_iter().flat_map(serde_json::Map::keys) {
                steps.insert(format!("{name}.{route}"), Vec::new());
            }
        }
    }
    for (name, inputs) in &steps {
        for input in inputs {
            ensure!(steps.contains_key(input), "{name} takes from {input}, which does not exist");
        }
    }
    let is_taken = |step: &String| steps.values().flatten().any(|input| input == step);
    let unused: Vec<_> = steps.keys().filter(|name| name.contains('.') && !is_taken(name)).collect();
    ensure!(unused.is_empty(), "nobody takes {unused:?}");
    Ok(())
}

fn check_fluent_bit(config: &Value) -> Result<()> {
    let pipeline = &config["pipeline"];
    let part = |name: &str| pipeline[name].as_array().cloned().unwrap_or_default();
    let (inputs, filters, outputs) = (part("inputs"), part("filters"), part("outputs"));
    ensure!(!inputs.is_empty() && !filters.is_empty() && outputs.len() >= 2, "{config}");
    let rule = filters.iter().find_map(|filter| filter["rule"].as_str()).context("no rule for tags")?;
    let [key, pattern, audit, "false"] = rule.split_whitespace().collect::<Vec<_>>()[..] else {
        anyhow::bail!("not a rule that moves what matches: {rule}")
    };
    assert_eq!((key, pattern), ("$stream", "^stdout$"));
    let tags: Vec<_> = inputs.iter().filter_map(|input| input["tag"].as_str()).chain([audit]).collect();
    for step in filters.iter().chain(&outputs) {
        ensure!(step["name"].is_string(), "no name: {step}");
        let pattern = step["match"].as_str().context("no match")?;
        let matches = |tag: &&str| match pattern.split_once('*') {
            Some((begin, _)) => tag.starts_with(begin),
            None => *tag == pattern,
        };
        ensure!(tags.iter().any(matches), "nothing has a tag like {pattern}");
    }
    Ok(())
}
