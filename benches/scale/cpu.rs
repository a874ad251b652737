//! CPU time of everything that shares the machine. What others use is what makes times incomparable.

use std::{fs, time::Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::support::World;

/// Clock ticks a second, the unit of CPU time in /proc on Linux.
const TICKS: f64 = 100.0;

/// CPU seconds, user and system.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Cpu {
    /// The operator.
    pub operator: f64,
    /// kube-apiserver.
    pub apiserver: f64,
    /// etcd.
    pub etcd: f64,
    /// kube-controller-manager, whose garbage collector follows every object.
    pub controllers: f64,
    /// This process: the fake AWS, the clients of the scenario, and the measurement itself.
    pub bench: f64,
    /// Everything else on this machine.
    pub others: f64,
    /// The time in which this was used, also in seconds. It ends later than that of the measurement.
    pub within: f64,
}

/// CPU time so far, of these and of the machine.
pub struct Reading {
    parties: Cpu,
    machine: f64,
    at: Instant,
}

impl Reading {
    /// Reads it. `operator` is a process id.
    pub fn of(world: &World, operator: Option<u32>) -> Result<Self> {
        let parties = Cpu {
            operator: operator.map_or(Ok(0.0), of_process)?,
            apiserver: of_process(world.plane.apiserver().id())?,
            etcd: of_process(world.plane.etcd().id())?,
            controllers: of_process(world.plane.controller_manager().id())?,
            bench: of_process(std::process::id())?,
            ..Cpu::default()
        };
        Ok(Self { parties, machine: of_machine()?, at: Instant::now() })
    }

    /// What was used since `before`.
    pub fn since(&self, before: &Self) -> Cpu {
        let (now, then) = (&self.parties, &before.parties);
        let used = Cpu {
            operator: now.operator - then.operator,
            apiserver: now.apiserver - then.apiserver,
            etcd: now.etcd - then.etcd,
            controllers: now.controllers - then.controllers,
            bench: now.bench - then.bench,
            others: 0.0,
            within: self.at.duration_since(before.at).as_secs_f64(),
        };
        // The counters have different steps, so that the rest may be a little below zero.
        Cpu { others: (self.machine - before.machine - used.ours()).max(0.0), ..used }
    }

    /// Replaces the operator's CPU time, if another operator is measured from now on.
    pub fn set_operator(&mut self, process: u32) -> Result<()> {
        self.parties.operator = of_process(process)?;
        Ok(())
    }
}

impl Cpu {
    /// API server and etcd.
    pub fn storage(&self) -> f64 {
        self.apiserver + self.etcd
    }

    /// All but others.
    pub fn ours(&self) -> f64 {
        self.operator + self.apiserver + self.etcd + self.controllers + self.bench
    }

    /// All together.
    pub fn sum(&self) -> f64 {
        self.ours() + self.others
    }
}

/// Number of cores.
pub fn cores() -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores).map_or(1.0, f64::from)
}

fn of_process(id: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The program name, in parentheses, may contain blanks.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    Ok(fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / TICKS)
}

fn of_machine() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).context("no CPU time of the machine")?;
    let ticks: Vec<f64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal. The time of guests is part of the first two.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|&field| ticks.get(field)).sum::<f64>();
    Ok(busy / TICKS)
}
