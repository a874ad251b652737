//! Runs the operator from start to end.

use std::{fs::File, io::stdout, os::fd::AsFd, sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::controller::{
    assemble::{Foundation, Reconciling, assemble},
    election::{self, Election, candidate},
    environment,
    finish::{RunError, finish, run_unless_alarmed},
    observer::Observer,
    side_thread,
    work::{Work, update_gauges},
};
use crate::{
    aws::{client::Aws, options::AwsOptions},
    background::Alarm,
    domain::shard::{part::Part, shards::Shard},
    kubernetes::{
        Clients, Scope,
        other_leases::other_leases,
        watch_stream::{FOREIGN_SECRETS, OTHER_LEASES, WatchObserver},
        watches::{WATCHES, Watches},
    },
    parameters::Quotas,
    telemetry::{audit_stream::AuditStream, health::Health, heartbeat::Heartbeat, metrics::Metrics, server::Pages},
};

/// How long the last audit records may take after everything else has ended.
const LAST_RECORDS: Duration = Duration::from_secs(2);

/// How the operator runs.
pub struct Settings {
    /// Serves `/healthz`, `/readyz` and `/metrics`.
    pub listener: TcpListener,
    /// The namespaces to work in.
    pub scope: Scope,
    /// How objects are reconciled.
    pub reconciling: Reconciling,
    /// Most bytes of audit records that wait to be written.
    pub audit_queue: usize,
    /// How AWS is used.
    pub aws: AwsOptions,
    /// How the leader is elected.
    pub election: Election,
}

/// Runs until `stop` is cancelled. Then ends within ten seconds: another operator can lead after two at most, AWS calls in
/// flight are recorded, and the records are written.
///
/// # Errors
/// If the operator could not start, or cannot go on. It then ends in the same way.
pub async fn run(clients: Clients, settings: Settings, stop: CancellationToken) -> Result<(), RunError> {
    let Settings { listener, scope, reconciling, audit_queue, aws, election } = settings;
    let health = Arc::new(Health::new(&[WATCHES, &[environment::GATE, election::GATE]].concat()));
    let (metrics, heartbeat) = (Arc::new(Metrics::default()), Arc::new(Heartbeat::default()));
    metrics.start_at_zero_for(&[WATCHES, &[FOREIGN_SECRETS, OTHER_LEASES]].concat(), &Quotas::NAMES);
    // Not through the buffer of the standard library, which would keep what could not be written.
    let out = File::from(stdout().as_fd().try_clone_to_owned()?);
    let audit_stream = Arc::new(AuditStream::start(metrics.clone(), audit_queue, out)?);
    let observer: Arc<dyn WatchObserver> = Arc::new(Observer { health: health.clone(), metrics: metrics.clone() });
    let Part { selector, .. } = &election.lease.part;
    let watches = Watches::new(&clients.watches, &scope, selector.as_ref(), &observer);
    let other_leases = other_leases(&clients.watches, &election.lease, &observer).boxed();
    let shard = Shard { lease: election.lease.name.clone(), part: election.lease.part.clone() };
    let (alarm, leadership, elects) = (Alarm::default(), clients.leadership.clone(), election.elects);
    let aws = Aws::from_environment(aws, audit_stream.clone(), &alarm, &leadership).await;
    let (listen, region, cluster) = (listener.local_addr()?, aws.region(), aws.options().cluster_name.as_deref());
    tracing::info!(version = env!("CARGO_PKG_VERSION"), region, cluster, %listen, "started");
    let (context, receivers) = assemble(Foundation {
        clients,
        watches: &watches,
        observer,
        aws,
        audit_stream: audit_stream.clone(),
        alarm,
        health: health.clone(),
        metrics: metrics.clone(),
        reconciling,
        shard,
    });
    let pages = Pages {
        heartbeat: heartbeat.clone(),
        health: health.clone(),
        metrics: metrics.clone(),
        refresh: update_gauges(&context),
    };
    let candidate = candidate::Parts { election, leadership, heartbeat: heartbeat.clone(), health, metrics };
    let (server, election) = side_thread::start(listener.into_std()?, pages, candidate, &stop)?;
    let work =
        Work { context: context.clone(), watches, other_leases, receivers, heartbeat, elects, stop: stop.clone() };
    // A server that failed ends the process at once, and not only at the stop.
    let work = Box::pin(async { tokio::try_join!(work.run().map(Ok), server.ended()).map(drop) });
    let finish = finish(work, &context.gateway.quotas, election, &stop);
    let result = run_unless_alarmed(finish, &context.alarm, &stop).await;
    match audit_stream.flush(LAST_RECORDS) {
        0 => {}
        count => tracing::warn!(count, "stopped before all audit records were written, since nobody takes them"),
    }
    result
}
