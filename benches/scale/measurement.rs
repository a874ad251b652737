//! One measurement.

use std::{collections::BTreeMap, fs, time::Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use crate::{
    apiserver::{self, Requests},
    cpu::{Cpu, Reading},
    operator::{self, OpenFiles},
    support::World,
};

/// A measurement that runs.
pub struct Measurement {
    name: String,
    started: Instant,
    seconds: Option<f64>,
    requests: Requests,
    cpu: Reading,
    operator: Option<(u32, OpenFiles)>,
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
    /// CPU time of everything that shares the machine.
    pub cpu_seconds: Cpu,
    /// Load average of the machine over one minute, at the end.
    pub load: f64,
    /// Durations of single operations in milliseconds, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latencies_ms: Vec<u128>,
}

impl Row {
    /// Number of requests that write this resource.
    pub fn writes(&self, resource: &str) -> u64 {
        let of_resource =
            self.api_requests.iter().filter(|(what, _)| what.split(' ').next().is_some_and(|name| name == resource));
        of_resource.filter(|(what, _)| is_write(what)).map(|(_, count)| count).sum()
    }

    /// Number of all requests that write.
    pub fn all_writes(&self) -> u64 {
        self.api_requests.iter().filter(|(what, _)| is_write(what)).map(|(_, count)| count).sum()
    }

    /// Number of AWS calls whose names begin like this.
    pub fn calls(&self, operation: &str) -> usize {
        self.aws_calls.iter().filter(|(name, _)| name.starts_with(operation)).map(|(_, count)| count).sum()
    }
}

impl Measurement {
    /// Begins a measurement. An operator that does not run yet is measured from its start; see [`Measurement::launch`].
    pub async fn begin(world: &mut World, name: &str) -> Result<Self> {
        let id = world.operator.as_ref().map(|operator| operator.process().id());
        let requests = apiserver::requests(&world.client).await?;
        world.aws.clear_records();
        Ok(Self {
            name: name.to_owned(),
            requests,
            cpu: Reading::of(world, id)?,
            operator: id.map(|id| (id, OpenFiles::of(id))),
            seconds: None,
            started: Instant::now(),
        })
    }

    /// Starts the operator as a part of the measurement.
    pub fn launch(&mut self, world: &mut World) -> Result<()> {
        world.launch_operator()?;
        let id = world.operator().process().id();
        self.operator = Some((id, OpenFiles::of(id)));
        Ok(())
    }

    /// Measures another operator than that of the world.
    pub fn follow(&mut self, process: u32) -> Result<()> {
        self.cpu.set_operator(process)?;
        self.operator = Some((process, OpenFiles::of(process)));
        Ok(())
    }

    /// All requests to the API server before it began.
    pub fn requests_before(&self) -> &Requests {
        &self.requests
    }

    /// Stops the clock at a time that is over. Calls and requests are counted until the end.
    pub fn stop_clock_at(&mut self, end: Instant) {
        self.seconds = Some(end.duration_since(self.started).as_secs_f64());
    }

    /// Ends the measurement.
    pub async fn end(self, world: &mut World) -> Result<Row> {
        let seconds = self.seconds.unwrap_or_else(|| self.started.elapsed().as_secs_f64());
        let id = self.operator.as_ref().map(|(id, _)| *id);
        let cpu_seconds = Reading::of(world, id)?.since(&self.cpu);
        let memory = id.map(operator::memory).transpose()?.unwrap_or_default();
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Row {
            scenario: self.name,
            seconds,
            aws_calls: aws_calls(&world.aws.records()),
            kms_decrypts: world.aws.decrypts(),
            api_requests: apiserver::since(&self.requests, apiserver::requests(&world.client).await?),
            peak_mib: memory.peak,
            resident_mib: memory.resident,
            open_files: self.operator.as_ref().map_or(0, |(_, files)| files.most()),
            cpu_seconds,
            load: load.split(' ').next().context("an empty load")?.parse()?,
            latencies_ms: Vec::new(),
        })
    }
}

/// `what` is a resource and a verb.
fn is_write(what: &str) -> bool {
    what.split(' ').nth(1) != Some("GET")
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
