//! promtool and a real Prometheus. Building them takes minutes, so these tests run on request only:
//!
//! ```sh
//! cargo xtask verify prometheus
//! ```

use std::{net::TcpListener, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testbed::{
    process::{Options, Process},
    tools::Tool,
    wait::eventually,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{alerts, alerts_path, dashboard};
use crate::{
    repo::docs::root,
    support::{PATIENCE, World, object},
};

#[tokio::test]
#[ignore = "builds promtool, which takes minutes; `cargo xtask verify` runs it"]
async fn rules_pass_promtool() -> Result<()> {
    let promtool = Tool::Promtool.path().await?;
    let (rules, tests) = (alerts_path(), root().join("monitoring/alerts_test.yaml"));
    run(Command::new(&promtool).args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(rules))?;
    run(Command::new(&promtool).args(["test", "rules"]).arg(tests))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let text = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&text));
    Ok(())
}

/// A Prometheus that scrapes one operator each second.
struct Prometheus {
    process: Process,
    address: String,
}

impl Prometheus {
    async fn start(operator: &str, folder: &Path) -> Result<Self> {
        let program = Tool::Prometheus.path().await?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [alerts_path()],
            "scrape_configs": [{
                "job_name": "secure-parameter-operator",
                "static_configs": [{"targets": [operator], "labels": {"namespace": "operator"}}],
            }],
        });
        // JSON is YAML.
        let file = folder.join("prometheus.yaml");
        std::fs::write(&file, config.to_string())?;
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::start_with("prometheus", &command, &folder.join("prometheus.log"), &Options::default())?;
        Ok(Self { process, address })
    }

    /// The answer to `GET path` of the API.
    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        self.process.ensure_running()?;
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let mut stream = TcpStream::connect(&self.address).await?;
        // Of HTTP 1.0, so that the answer comes in one piece.
        let request = format!("GET /api/v1/{path}?{query} HTTP/1.0\r\nHost: prometheus\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        let answer: Value = serde_json::from_str(body).with_context(|| answer.clone())?;
        ensure!(answer["status"] == "success", "{path} {query}: {answer}");
        Ok(answer["data"].clone())
    }

    /// The number of series that an expression yields now.
    async fn count(&self, expr: &str) -> Result<usize> {
        let data = self.get("query", &[("query", expr)]).await?;
        Ok(data["result"].as_array().context("no result")?.len())
    }
}

/// Queries that have no result while all is well, and those about objects, which need kube-state-metrics.
fn may_be_empty(expr: &str) -> bool {
    expr.contains("> 0") || expr.contains("kube_")
}

#[tokio::test]
#[ignore = "builds Prometheus, which takes minutes; `cargo xtask verify` runs it"]
async fn the_dashboard_shows_a_running_operator() -> Result<()> {
    let world = World::start().await?;
    let prometheus = Prometheus::start(world.operator().address(), world.plane.folder()).await?;
    world.aws.put("/shop/db", "value");
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({"refreshInterval": "10s"}))).await?;
    world.apply(&object("missing", &[("DB", "/shop/none")], &json!({}))).await?;
    world.synced("checkout").await?;
    world.wait_for("missing", "False", "ParameterNotFound").await?;
    let queries = dashboard()?;
    ensure!(queries.len() > 40, "only {} queries", queries.len());
    for (title, expr) in &queries {
        // Rates need two figures.
        let shown = eventually(title, PATIENCE, async || {
            Ok((prometheus.count(expr).await? > 0 || may_be_empty(expr)).then_some(()))
        });
        shown.await.with_context(|| expr.clone())?;
    }
    let reasons = prometheus.count("secureparameter_objects == 1").await?;
    assert_eq!(reasons, 2, "Synced and ParameterNotFound");
    for (expr, what) in [
        ("rate(secureparameter_aws_calls_total{outcome=\"OK\"}[1m]) > 0", "calls of AWS"),
        ("process_start_time_seconds and on (job, instance) secureparameter_leader", "the process"),
        ("up == 1", "the scrape"),
    ] {
        // The next look follows within ten seconds.
        eventually(what, PATIENCE, async || Ok((prometheus.count(expr).await? > 0).then_some(()))).await?;
    }
    check_rules(&prometheus).await
}

/// Prometheus evaluates every rule, and the one about objects sees the one that is missing its parameter.
async fn check_rules(prometheus: &Prometheus) -> Result<()> {
    let expected = alerts()?.len();
    eventually("all rules to be evaluated", PATIENCE, async || {
        let rules = prometheus.get("rules", &[]).await?;
        let rules: Vec<_> = rules["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|group| group["rules"].as_array())
            .flatten()
            .cloned()
            .collect();
        if let Some(failed) = rules.iter().find(|rule| rule["health"] == "err") {
            bail!("{failed}");
        }
        let pending = rules.iter().any(|rule| rule["name"] == "SecureParametersNotReady" && rule["state"] == "pending");
        let is_done = rules.len() == expected && rules.iter().all(|rule| rule["health"] == "ok");
        Ok((is_done && pending).then_some(()))
    })
    .await?;
    // Nothing else is wrong.
    let pending = prometheus.get("query", &[("query", "ALERTS")]).await?;
    let names: Vec<_> =
        pending["result"].as_array().into_iter().flatten().map(|alert| alert["metric"]["alertname"].clone()).collect();
    assert_eq!(names, ["SecureParametersNotReady"]);
    Ok(())
}
