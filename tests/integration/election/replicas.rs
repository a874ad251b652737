//! Operators with a Kubernetes user and an AWS session each, so that the audit log of the API server and the records of AWS
//! tell them apart; and who led when, from all that the Lease ever said.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::ServiceAccount,
    },
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use testbed::{
    control_plane::{AuditLog, Write},
    fake_aws::{DEFAULT_ACCOUNT, Identity},
    wait::eventually,
};

use crate::support::{Operator, PATIENCE, World, store};

/// Namespace of the operators and of their Lease.
pub const SYSTEM: &str = "operators";
/// Name of the Lease.
pub const LEASE: &str = "secure-parameter-operator";
/// A short lease, which a machine that is slow while all tests run can still renew.
pub const SHORT: &[&str] = &["--leader-elect", "--lease-duration=3s"];

/// A world with several operators.
pub struct Replicas {
    pub world: World,
    /// The AWS session of all operators, if they share one, as pods with one role do.
    pub session: Option<Identity>,
    arguments: Vec<&'static str>,
    log: AuditLog,
    writes: Vec<Write>,
    calls: Vec<Call>,
    history: Arc<Mutex<Vec<LeaseSpec>>>,
    started: usize,
}

/// One of the operators.
pub struct Replica {
    /// Name of its pod, its user and its session.
    pub name: String,
    pub operator: Operator,
}

/// A call of AWS.
pub struct Call {
    /// The replica that made it.
    pub by: String,
    pub arrived_at: Timestamp,
    pub record: Value,
}

/// The time in which one process led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The replica that led.
    pub by: String,
    pub begun_at: Timestamp,
    /// When it released the Lease, or renewed it last.
    pub ended_at: Timestamp,
}

impl Call {
    /// Reports whether it asked for values.
    pub fn decrypts(&self) -> bool {
        self.record["requestParameters"]["withDecryption"] == true || self.record["eventName"] == "Decrypt"
    }
}

impl Replicas {
    /// Starts a world in which operators are started with these arguments.
    pub async fn new(arguments: &[&'static str]) -> Result<Self> {
        let world = World::without_operator().await?;
        world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 1000}}))).await?;
        world.plane.kubectl(["create", "namespace", SYSTEM]).await?;
        let group = format!("--group=system:serviceaccounts:{SYSTEM}");
        world.plane.kubectl(["create", "clusterrolebinding", SYSTEM, "--clusterrole=cluster-admin", &group]).await?;
        let history = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(follow(Api::namespaced(world.client.clone(), SYSTEM), history.clone()));
        let arguments = [arguments, &["--lease-namespace", SYSTEM]].concat();
        let log = world.plane.audit_log();
        Ok(Self { world, session: None, arguments, log, writes: Vec::new(), calls: Vec::new(), history, started: 0 })
    }

    /// Starts one more operator, and waits until it is ready.
    pub async fn start(&mut self) -> Result<Replica> {
        let replica = self.launch().await?;
        replica.operator.ready().await?;
        Ok(replica)
    }

    /// Starts one more operator with further arguments, and waits until it is ready.
    pub async fn start_with(&mut self, further: &[&'static str]) -> Result<Replica> {
        let usual = self.arguments.len();
        self.arguments.extend_from_slice(further);
        let started = self.start().await;
        self.arguments.truncate(usual);
        started
    }

    /// Starts one more operator.
    pub async fn launch(&mut self) -> Result<Replica> {
        let (name, token) = self.account().await?;
        let kubeconfig = self.world.plane.folder().join(format!("{name}.kubeconfig"));
        self.world.plane.write_kubeconfig(&token, &kubeconfig)?;
        self.launch_with(name, &kubeconfig)
    }

    /// Starts the operator of this name with a kubeconfig.
    pub fn launch_with(&self, name: String, kubeconfig: &Path) -> Result<Replica> {
        let own = || Identity::assumed_role(DEFAULT_ACCOUNT, "secure-parameter-operator", &name);
        let identity = self.session.clone().unwrap_or_else(own);
        self.world.aws.add_identity(identity.clone());
        let mut environment = self.world.aws.environment_of(&identity);
        environment.push(("HOSTNAME".to_owned(), name.clone()));
        let folder = self.world.plane.folder();
        let operator = Operator::start(kubeconfig, &environment, &self.arguments, folder, self.started)?;
        Ok(Replica { name, operator })
    }

    /// Creates the user of one more operator. Returns its name and its token.
    pub async fn account(&mut self) -> Result<(String, String)> {
        self.started += 1;
        let name = format!("replica-{}", self.started);
        let accounts: Api<ServiceAccount> = Api::namespaced(self.world.client.clone(), SYSTEM);
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        accounts.create(&PostParams::default(), &ServiceAccount { metadata, ..ServiceAccount::default() }).await?;
        let token = self.world.plane.service_account_token(SYSTEM, &name).await?;
        Ok((name, token))
    }

    /// The file in which an operator that is started next will log.
    pub fn next_log(&self) -> PathBuf {
        self.world.plane.folder().join(format!("log-{}", self.started + 1))
    }

    /// Waits until this operator leads. Returns since when.
    pub async fn leads(&self, replica: &Replica) -> Result<Timestamp> {
        let what = format!("{} to lead", replica.name);
        let term = eventually(&what, PATIENCE, async || {
            Ok(self.terms().into_iter().next_back().filter(|term| term.by == replica.name))
        });
        let term = term.await.with_context(|| format!("the Lease said: {:?}", self.history.lock()))?;
        Ok(term.begun_at)
    }

    /// All that the Lease ever said.
    pub fn history(&self) -> Vec<LeaseSpec> {
        self.history.lock().clone()
    }

    /// The terms so far, oldest first.
    pub fn terms(&self) -> Vec<Term> {
        terms(&self.history.lock())
    }

    /// The writes of all operators so far, those of the Lease left out.
    pub fn writes(&mut self) -> Result<&[Write]> {
        let prefix = format!("system:serviceaccount:{SYSTEM}:");
        for mut write in self.log.read()? {
            let name = write.user.strip_prefix(&prefix).filter(|_| write.resource != "leases").map(str::to_owned);
            if let Some(user) = name {
                write.user = user;
                self.writes.push(write);
            }
        }
        Ok(&self.writes)
    }

    /// The AWS calls of all operators so far.
    pub fn calls(&mut self) -> &[Call] {
        for (arrived_at, record) in self.world.aws.take_records() {
            let arn = record["userIdentity"]["arn"].as_str().unwrap_or_default();
            if let Some((_, name)) = arn.rsplit_once('/').filter(|_| record["userIdentity"]["invokedBy"].is_null()) {
                self.calls.push(Call { by: name.to_owned(), arrived_at, record });
            }
        }
        &self.calls
    }

    /// Forgets the writes and the calls so far.
    pub fn forget(&mut self) -> Result<()> {
        self.writes()?;
        self.calls();
        self.writes.clear();
        self.calls.clear();
        Ok(())
    }

    /// Checks that each write and each decrypting call so far came from the one that led, and forgets them.
    pub fn check_one_leader(&mut self) -> Result<()> {
        let terms = self.terms();
        self.writes()?;
        self.calls();
        for write in self.writes.drain(..) {
            ensure!(leads_at(&terms, &write.user, write.received_at), "{write:?} was sent by no leader: {terms:?}");
        }
        for call in self.calls.drain(..).filter(Call::decrypts) {
            ensure!(leads_at(&terms, &call.by, call.arrived_at), "{} decrypted: {}; {terms:?}", call.by, call.record);
        }
        Ok(())
    }
}

impl Replica {
    /// Sends a signal to the process. Returns when.
    pub fn signal(&self, signal: &str) -> Result<Timestamp> {
        let now = Timestamp::now();
        self.operator.process().signal(signal)?;
        Ok(now)
    }

    /// The figure of a metric without labels.
    pub async fn metric(&self, name: &str) -> Result<Option<String>> {
        let (_, page) = self.operator.get("/metrics").await?;
        let mut lines = page.lines().filter_map(|line| line.split_once(' '));
        Ok(lines.find(|(found, _)| *found == name).map(|(_, value)| value.to_owned()))
    }
}

/// Keeps all that the Lease says.
async fn follow(leases: Api<Lease>, history: Arc<Mutex<Vec<LeaseSpec>>>) {
    let config = watcher::Config::default().fields(&format!("metadata.name={LEASE}"));
    let mut changes = watcher(leases, config).default_backoff().applied_objects().boxed();
    loop {
        match changes.try_next().await {
            Ok(Some(lease)) => history.lock().extend(lease.spec),
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

fn terms(history: &[LeaseSpec]) -> Vec<Term> {
    let mut terms: Vec<Term> = Vec::new();
    for spec in history {
        let renewed_at = spec.renew_time.as_ref().map(|time| time.0).unwrap_or_default();
        let begun_at = spec.acquire_time.as_ref().map(|time| time.0).unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        match (holder.rsplit_once('_'), terms.last_mut()) {
            (Some((by, _)), Some(last)) if last.by == by => last.ended_at = renewed_at,
            (Some((by, _)), _) => terms.push(Term { by: by.to_owned(), begun_at, ended_at: renewed_at }),
            // Released.
            (None, Some(last)) => last.ended_at = renewed_at,
            (None, None) => {}
        }
    }
    terms
}

/// Reports whether this replica led at this time: since it began to, until another one did.
fn leads_at(terms: &[Term], by: &str, at: Timestamp) -> bool {
    let next = terms.iter().skip(1).map(Some).chain([None]);
    terms
        .iter()
        .zip(next)
        .any(|(term, next)| term.by == by && term.begun_at <= at && next.is_none_or(|next| at < next.begun_at))
}

#[test]
fn only_the_leader_leads() {
    let at = |second: i64| Timestamp::from_second(second).expect("a time");
    let term = |by: &str, begun: i64| Term { by: by.to_owned(), begun_at: at(begun), ended_at: at(begun) };
    let terms = [term("a", 10), term("b", 20)];
    for (by, second, leads) in [("a", 9, false), ("a", 10, true), ("a", 20, false), ("b", 19, false), ("b", 99, true)] {
        assert_eq!(leads_at(&terms, by, at(second)), leads, "{by} at {second}");
    }
}
