//! Two operators, of which one leads.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Secret};
use kube::Api;

use crate::{
    fleet::Fleet,
    operator, progress,
    sightings::Sightings,
    support::{Operator, World},
};

/// Arguments of both.
const ARGUMENTS: [&str; 5] = ["--leader-elect", "--lease-name", LEASE, "--lease-namespace", NAMESPACE];
const LEASE: &str = "secure-parameter-operator";
const NAMESPACE: &str = "default";
/// How long a new standby is left alone, so that it has stopped working when its memory is measured.
const REST: Duration = Duration::from_secs(3);

/// Longest time from the signal to the end of a leader.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// The leader, the one that stands by, and their Lease.
pub struct Replicas {
    lease: Sightings,
    /// Identities that have led.
    holders: Vec<String>,
    leader: Option<Operator>,
    standby: Option<Operator>,
    runs: usize,
}

/// What an operator used while it stood by.
pub struct Idle {
    /// Resident memory, in MiB.
    pub mebibytes: f64,
    /// Its AWS calls.
    pub aws_calls: usize,
}

impl Replicas {
    /// Starts a leader, and waits until it has all objects in sync.
    pub async fn start(world: &World, fleet: Fleet) -> Result<Self> {
        let leases = Api::<Lease>::namespaced(world.client.clone(), NAMESPACE);
        let lease = Sightings::of(leases, |lease| lease.spec.as_ref()?.holder_identity.clone());
        let mut replicas = Self { lease, holders: Vec::new(), leader: None, standby: None, runs: 0 };
        let leader = replicas.launch(world)?;
        progress::reasons(&leader, fleet, &[("Synced", fleet.objects)]).await?;
        replicas.leader = Some(leader);
        replicas.next_holder(Instant::now() + fleet.patience()).await.context("the first operator has no Lease")?;
        Ok(replicas)
    }

    /// Starts an operator that stands by, and waits until it could lead.
    pub async fn add(&mut self, world: &World, fleet: Fleet) -> Result<()> {
        let standby = self.launch(world)?;
        progress::ready(&standby, fleet).await?;
        tokio::time::sleep(REST).await;
        ensure!(operator::value(&standby, "leader").await? == 0, "the second operator leads too");
        self.standby = Some(standby);
        Ok(())
    }

    fn launch(&mut self, world: &World) -> Result<Operator> {
        self.runs += 1;
        let (kubeconfig, folder) = (world.plane.kubeconfig(), world.plane.folder());
        Operator::start(kubeconfig, &world.aws.environment(), &ARGUMENTS, folder, self.runs)
    }

    /// The one that leads.
    pub fn leader(&self) -> Result<&Operator> {
        self.leader.as_ref().context("no leader")
    }

    /// The one that stands by.
    pub fn standby(&self) -> Result<&Operator> {
        self.standby.as_ref().context("no standby")
    }

    /// What the one that stands by has used so far.
    pub async fn idle(&self) -> Result<Idle> {
        let standby = self.standby()?;
        let mebibytes = operator::memory(standby.process().id())?.resident;
        Ok(Idle { mebibytes, aws_calls: operator::aws_calls(standby).await? })
    }

    /// Signals the leader. From now on the other one counts as the leader.
    pub fn end_leader(&mut self, signal: &str) -> Result<()> {
        let leader = self.leader.take().context("no leader")?;
        leader.process().signal(signal)?;
        self.leader = self.standby.take();
        // In the background, because waiting for its end would delay what is measured.
        std::thread::spawn(move || leader.process().wait(SHUTDOWN));
        Ok(())
    }

    /// Waits until somebody new holds the Lease. Returns when that was, or `None` at the deadline.
    pub async fn next_holder(&mut self, deadline: Instant) -> Option<Instant> {
        let is_new = |holder: &str| !holder.is_empty() && !self.holders.iter().any(|known| known == holder);
        let (holder, at) = self.lease.of_any(LEASE, is_new, deadline).await?;
        self.holders.push(holder);
        Some(at)
    }
}

/// What a Secret of the fleet shows.
pub fn value(secret: &Secret) -> Option<String> {
    let value = secret.data.as_ref()?.get("KEY_0")?;
    Some(String::from_utf8_lossy(&value.0).into_owned())
}
