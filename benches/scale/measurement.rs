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

/// A measurement that runs.
pub struct Measurement {
    name: String,
    started: Instant,
    seconds: Option<f64>,
    requests: Requests,
    cpu: f64,
    files: Option<OpenFiles>,
}

/// The result of a measurement.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Name of the scenario and of its part.
    pub scenario: String,
    /// Duration.
    pub seconds: f64,
    /// AWS calls by operation. Reads are split by whether they decrypt, failures by error code.
    pub aws_calls: BTreeMap<String, usize>,
    /// Successful decryptions by KMS, including those for Parameter Store.
    pub kms_decrypts: usize,
    /// Requests to the API server by resource and verb, failures by status code. Lists and watches are not counted.
    pub api_requests: Requests,
    /// Highest resident memory since the operator's start, in MiB.
    pub peak_mib: f64,
    /// Resident memory at the end, in MiB.
    pub resident_mib: f64,
    /// Highest number of open files.
    pub open_files: usize,
    /// CPU time of the operator, in seconds.
    pub cpu_seconds: f64,
    /// Load average of the machine over one minute, at the end.
    pub load: f64,
    /// Durations of single operations in milliseconds, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latencies_ms: Vec<u128>,
}

impl Row {
    /// Number of requests that write this resource.
    pub fn writes(&self, resource: &str) -> u64 {
        let writes = self.api_requests.iter().filter(|(what, _)| {
            what.strip_prefix(resource).is_some_and(|verb| verb.starts_with(' ') && !verb.starts_with(" GET"))
        });
        writes.map(|(_, count)| count).sum()
    }
}

impl Measurement {
    /// Begins a measurement. An operator that does not run yet is measured from its start; see [`Measurement::launch`].
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

    /// Starts the operator as a part of the measurement.
    pub async fn launch(&mut self, world: &mut World) -> Result<()> {
        world.launch_operator()?;
        self.files = operator::id(world).map(OpenFiles::of);
        world.operator().ready().await
    }

    /// Stops the clock. Calls and requests are counted until the end.
    pub fn stop_clock(&mut self) {
        self.seconds = Some(self.started.elapsed().as_secs_f64());
    }

    /// Ends the measurement.
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

/// Counts the calls on the wire, which excludes those that Parameter Store makes to KMS.
fn aws_calls(records: &[Value]) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for record in records.iter().filter(|record| record.get("tlsDetails").is_some()) {
        let mut call = record["eventName"].as_str().unwrap_or_default().to_owned();
        if call == "GetParameters" {
            let decrypts = record["requestParameters"]["withDecryption"] == true;
            call.push_str(if decrypts { " decrypting" } else { " checking" });
        }
        if let Some(code) = record["errorCode"].as_str() {
            call = format!("{call} {code}");
        }
        *calls.entry(call).or_default() += 1;
    }
    calls
}
