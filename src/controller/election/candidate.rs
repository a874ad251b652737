//! A candidate: takes part in an election until it has lost the Lease, or is asked to release it. It runs in another thread
//! than the reconciles, and renews only while their thread runs.

use std::{future, sync::Arc, time::Duration};

use futures::{StreamExt, stream::BoxStream};
use k8s_openapi::jiff::Timestamp;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, sleep_until},
};

use crate::controller::election::{Election, handle::End, report::Report};
use crate::{
    domain::{
        lease::{
            elector::{Elector, Step},
            record::Lease,
            timing::Timing,
        },
        schedule::uptime::Uptime,
    },
    kubernetes::lease::{LeaseError, Leases},
    leadership::Leadership,
    telemetry::{health::Health, heartbeat::Heartbeat, metrics::Metrics},
};

/// Shortest time that a request for the Lease may take, and delay after one that is forbidden or cannot be made.
const PATIENCE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));

/// Longest time that the reconciling thread may be silent for the Lease to be renewed. It beats every second.
const SILENCE: Duration = Duration::from_secs(5);

/// What a candidate is made of.
pub(crate) struct Parts {
    pub(crate) election: Election,
    pub(crate) leadership: Leadership,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Takes part in an election.
pub(crate) struct Candidate {
    election: Election,
    timing: Timing,
    elector: Elector,
    leadership: Leadership,
    heartbeat: Arc<Heartbeat>,
    report: Report,
    /// The beginning of its time.
    origin: Instant,
    /// Whether the process leads, as far as was reported.
    leads: bool,
    /// Changes of the Lease, while another process holds it.
    changes: Option<BoxStream<'static, Option<Lease>>>,
    /// The other process that holds the Lease, and when this one saw it first.
    first_seen: Option<(String, Uptime)>,
    /// The cause of the last failure.
    failure: Option<String>,
}

impl Candidate {
    /// Makes a candidate.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { election, leadership, heartbeat, health, metrics } = parts;
        let timing = Timing { duration: election.duration };
        Self {
            elector: Elector::new(election.identity.clone(), timing),
            report: Report::new(health, metrics, election.elects),
            election,
            timing,
            leadership,
            heartbeat,
            origin: Instant::now(),
            leads: false,
            changes: None,
            first_seen: None,
            failure: None,
        }
    }

    /// Takes part until the Lease is lost, or until `release` resolves. If that asks for it, the Lease is released.
    pub(crate) async fn run(mut self, mut release: oneshot::Receiver<()>) -> End {
        let connected = tokio::select! {
            biased;
            _ = &mut release => return End::Ended,
            leases = self.connect() => leases,
        };
        let asked = tokio::select! {
            biased;
            asked = &mut release => asked,
            () = self.hold(&connected) => {
                self.leadership.lose();
                return End::Lost;
            }
        };
        self.leadership.end();
        if asked.is_ok() {
            self.release(&connected).await;
        }
        End::Ended
    }

    async fn connect(&mut self) -> Leases {
        let patience = self.timing.interval().max(PATIENCE.0);
        loop {
            match Leases::connect(self.election.lease.clone(), patience).await {
                Ok(leases) => {
                    self.report.lease = leases.path();
                    return leases;
                }
                Err(message) => self.report.failed(&message),
            }
            sleep(PATIENCE.1).await;
        }
    }

    /// Takes part until the Lease is lost.
    async fn hold(&mut self, leases: &Leases) {
        loop {
            if self.is_lost() {
                return;
            }
            let delay = match self.elector.next(self.now(), Timestamp::now()) {
                Step::Wait(until) => {
                    self.idle(leases, until).await;
                    None
                }
                // A process that hangs must not lead.
                Step::Create(_) | Step::Replace(_) if !self.is_alive() => Some(self.timing.retry()),
                step => match self.take(leases, step).await {
                    Ok(()) => None,
                    Err(LeaseError::Conflict) => Some(self.timing.retry()),
                    // Whoever has seen that another one leads does not go on without the Lease.
                    Err(LeaseError::Forbidden(message)) if self.election.elects || self.elector.last().is_some() => {
                        self.report.forbidden(&message);
                        Some(PATIENCE.1)
                    }
                    Err(LeaseError::Forbidden(message)) => {
                        self.report.goes_without(&message);
                        self.leadership.lead(None);
                        return future::pending().await;
                    }
                    Err(LeaseError::Failed(message)) => {
                        self.report.failed(&message);
                        self.failure = Some(message);
                        Some(self.timing.retry())
                    }
                },
            };
            self.publish();
            if let Some(delay) = delay {
                sleep(delay).await;
            }
        }
    }

    /// Makes a request, and tells the elector what came of it.
    async fn take(&mut self, leases: &Leases, step: Step) -> Result<(), LeaseError> {
        let sent_at = self.now();
        let answer = match step {
            Step::Wait(_) => return Ok(()),
            Step::Look => match leases.get().await {
                Ok(lease) => {
                    let now = self.now();
                    self.elector.saw(lease, now);
                    return Ok(());
                }
                Err(error) => Err(error),
            },
            Step::Create(record) => leases.create(&record).await,
            Step::Replace(lease) => leases.replace(&lease).await,
        };
        let now = self.now();
        match answer {
            Ok(lease) => {
                self.failure = None;
                self.elector.wrote(lease, sent_at, now);
                Ok(())
            }
            Err(error) => {
                self.elector.look_again();
                Err(error)
            }
        }
    }

    /// Does nothing until then. Who does not lead is woken by a change of the Lease, and looks now and then all the same.
    async fn idle(&mut self, leases: &Leases, until: Uptime) {
        if self.elector.writes_until().is_some() {
            self.changes = None;
            sleep_until(self.origin + until).await;
            return;
        }
        let look_at = self.now() + self.timing.interval();
        let changes = self.changes.get_or_insert_with(|| leases.changes().boxed());
        tokio::select! {
            change = changes.next() => match change {
                Some(lease) => self.elector.saw(lease, self.origin.elapsed()),
                None => self.changes = None,
            },
            () = sleep_until(self.origin + until.min(look_at)) => if look_at < until {
                self.elector.look_again();
            },
        }
    }

    /// Makes known what the elector says.
    fn publish(&mut self) {
        match self.elector.writes_until() {
            Some(until) => self.leadership.lead(Some(self.origin + until)),
            // Another one leads, so not even the rest of what was begun is sent.
            None if self.leads && self.election.elects => self.leadership.lose(),
            None => self.leadership.wait(),
        }
        let Some((record, since)) = self.elector.last() else { return };
        let stands = self.stands();
        if stands {
            self.report.leads();
        }
        if stands && !self.leads {
            self.leads = true;
            self.report.became_leader(record.transitions);
        }
        if let Some(holder) = self.elector.other() {
            let (first_holder, first_seen) = self.first_seen.get_or_insert_with(|| (holder.to_owned(), *since));
            if first_holder != holder {
                (*first_holder, *first_seen) = (holder.to_owned(), *since);
            }
            let is_alive = since > first_seen;
            self.report.waits(holder, is_alive, record.duration, record.transitions);
        }
    }

    /// Reports whether the process led and does not any more, which is the end of it.
    fn is_lost(&self) -> bool {
        let is_lost = self.leads && !self.stands();
        if is_lost {
            self.report.lost(&self.cause());
        }
        is_lost
    }

    /// Reports whether the process leads at this moment.
    fn stands(&self) -> bool {
        self.elector.writes_until().is_some_and(|until| self.now() < until)
    }

    /// Returns why the process does not lead any more, as the end of a sentence.
    fn cause(&self) -> String {
        match (self.elector.other(), &self.failure) {
            (Some(holder), _) => format!("{holder} holds the Lease"),
            (None, Some(failure)) => format!("the Lease could not be renewed in time ({failure})"),
            (None, None) => "the Lease was not renewed in time, since the process did not run".to_owned(),
        }
    }

    /// Reports whether the thread that reconciles runs.
    fn is_alive(&self) -> bool {
        self.heartbeat.silence() <= SILENCE
    }

    fn now(&self) -> Uptime {
        self.origin.elapsed()
    }

    /// Releases the Lease, if this process holds it. Tries until that is known; whoever waits for it has a bound.
    async fn release(&mut self, leases: &Leases) {
        // A write may be under way, so that only a look tells whether the process holds the Lease.
        self.elector.look_again();
        let mut was_holder = false;
        loop {
            let answer = match self.elector.release(Timestamp::now()) {
                Some(lease) => self.take(leases, Step::Replace(lease)).await,
                None => self.take(leases, Step::Look).await,
            };
            match answer {
                Ok(()) if self.elector.is_holder() => was_holder = true,
                Ok(()) if was_holder => return tracing::info!(lease = leases.path(), "released the Lease"),
                Ok(()) | Err(LeaseError::Forbidden(_)) => return,
                Err(LeaseError::Conflict) => {}
                Err(_) => sleep(self.timing.retry()).await,
            }
        }
    }
}
