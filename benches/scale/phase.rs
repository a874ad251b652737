//! One measurement.

use std::{collections::BTreeMap, fs, time::Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::{
    apiserver::{self, Requests},
    operator::{self, OpenFiles},
    support::World,
};

/// A measurement that has begun.
pub struct Phase {
    name: String,
    started: Instant,
    seconds: Option<f64>,
    requests: Requests,
    cpu: f64,
    files: Option<OpenFiles>,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Name of the scenario, with what part of it this is.
    pub scenario: String,
    /// How long it took.
    pub seconds: f64,
    /// AWS calls by operation: reads of Parameter Store by whether they decrypt, failures by their code.
    pub aws_calls: BTreeMap<String, usize>,
    /// Successful decryptions by KMS, Parameter Store's included.
    pub kms_decrypts: usize,
    /// Requests to the API server by resource and verb, refusals by their code; lists and watches do not count.
    pub api_requests: Requests,
    /// Most memory that was resident since the operator's start, in MiB.
    pub peak_mib: f64,
    /// Memory that is resident at the end, in MiB.
    pub resident_mib: f64,
    /// Most files that were open at a time.
    pub open_files: usize,
    /// CPU time of the operator.
    pub cpu_seconds: f64,
    /// Load of the machine at the end, over one minute.
    pub load: f64,
    /// How long single things took, in milliseconds, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latencies_ms: Vec<u128>,
}

impl Row {
    /// Requests to the API server that write what `resource` names.
    pub fn writes(&self, resource: &str) -> u64 {
        let writes = self.api_requests.iter().filter(|(what, _)| {
            what.strip_prefix(resource).is_some_and(|verb| verb.starts_with(' ') && !verb.starts_with(" GET"))
        });
        writes.map(|(_, count)| count).sum()
    }
}

impl Phase {
    /// Begins. An operator that does not run yet counts from its start; see [`Phase::follow`].
    pub async fn begin(world: &mut World, name: &str) -> Result<Self> {
        let id = operator::id(world);
        let cpu = id.map(operator::usage).transpose()?.unwrap_or_default().cpu;
        let requests = apiserver::requests(&world.client).await?;
        world.aws.clear_records();
        Ok(Self {
            name: name.to_owned(),
            started: Instant::now(),
            seconds: None,
            requests,
            cpu,
            files: id.map(OpenFiles::of),
        })
    }

    /// Starts the operator within the measurement.
    pub async fn launch(&mut self, world: &mut World) -> Result<()> {
        world.launch_operator()?;
        self.files = operator::id(world).map(OpenFiles::of);
        world.operator().ready().await
    }

    /// The clock stops here; what is counted goes on until the end.
    pub fn stop_clock(&mut self) {
        self.seconds = Some(self.started.elapsed().as_secs_f64());
    }

    /// Ends.
    pub async fn end(self, world: &mut World) -> Result<Row> {
        let seconds = self.seconds.unwrap_or_else(|| self.started.elapsed().as_secs_f64());
        let used = operator::id(world).map(operator::usage).transpose()?.unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Row {
            scenario: self.name,
            seconds,
            aws_calls: aws_calls(&world.aws.records()),
            kms_decrypts: world.aws.decrypts(),
            api_requests: apiserver::since(&self.requests, apiserver::requests(&world.client).await?),
            peak_mib: used.peak,
            resident_mib: used.resident,
            open_files: self.files.as_ref().map_or(0, OpenFiles::most),
            cpu_seconds: used.cpu - self.cpu,
            load: load.split(' ').next().context("an empty load")?.parse()?,
            latencies_ms: Vec::new(),
        })
    }
}

/// Counts the calls on the wire; what Parameter Store asks of KMS itself is none.
fn aws_calls(records: &[Value]) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for record in records.iter().filter(|record| record.get("tlsDetails").is_some()) {
        let mut call = record["eventName"].as_str().unwrap_or_default().to_owned();
        if call == "GetParameters" {
            let decrypts = record["requestParameters"]["withDecryption"] == true;
            call.push_str(if decrypts { " decrypting" } else { " looking" });
        }
        if let Some(code) = record["errorCode"].as_str() {
            call = format!("{call} {code}");
        }
        *calls.entry(call).or_default() += 1;
    }
    calls
}
