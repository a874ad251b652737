//! The work of the operator: follows watches and reconciles. While another process leads, the watches keep the caches
//! complete, and nothing else is done. Whoever becomes the leader begins as after a start.

use std::{future, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture, stream::BoxStream};
use tokio::{
    sync::mpsc::unbounded_channel,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::controller::{
    assemble::Receivers,
    comparisons,
    context::Context,
    controllers::{run_objects, run_stores},
    environment,
    index::StoreKey,
    queues::QueueReceivers,
    sharding,
    store::{figures, reconcile::queue_changed_activities},
    triggers,
};
use crate::{
    background::BackgroundTask,
    kubernetes::{other_leases::Sighting, watches::Watches},
    telemetry::{heartbeat::Heartbeat, metrics::Metrics},
};

/// Interval at which the statuses of stores are compared with what they do.
const ACTIVITY_INTERVAL: Duration = Duration::from_secs(30);

/// Interval at which what is kept of former stores is removed.
const PRUNING: Duration = Duration::from_secs(60);

/// What the operator works with.
pub(crate) struct Work {
    pub(crate) context: Arc<Context>,
    pub(crate) watches: Watches,
    pub(crate) other_leases: BoxStream<'static, Sighting>,
    pub(crate) receivers: Receivers,
    pub(crate) heartbeat: Arc<Heartbeat>,
    /// Whether another process may lead while this one stands by.
    pub(crate) elects: bool,
    pub(crate) stop: CancellationToken,
}

impl Work {
    /// Works until `stop`, and then until each reconcile in progress has ended.
    pub(crate) async fn run(self) {
        let Self { context, watches, other_leases, receivers, heartbeat, elects, stop } = self;
        let watches = watches.after(|| leading(&context));
        let Receivers { queues, foreign_secrets, changed_parameters } = receivers;
        let (subscriber_changes, changes) = unbounded_channel();
        let shared = || context.clone();
        let background = |name, task: BoxFuture<'static, ()>| BackgroundTask::spawn(name, &context.alarm, task);
        // Aborted when they are dropped. None of these tasks has work to finish.
        let _background = [
            background("shows that the operator runs", async move { heartbeat.beat().await }.boxed()),
            background("follows Secrets", triggers::on_secrets(watches.secrets, shared()).boxed()),
            background("follows namespaces", triggers::on_namespaces(watches.namespaces, shared()).boxed()),
            background(
                "follows the Secrets of others",
                triggers::on_foreign_secrets(foreign_secrets, shared()).boxed(),
            ),
            background("follows parameters", triggers::on_parameters(changed_parameters, shared()).boxed()),
            background("counts the objects of stores", triggers::on_subscriber_changes(changes, shared()).boxed()),
            background("compares all objects now and then", compare(shared()).boxed()),
            background("follows other operators", sharding::follow(other_leases, shared()).boxed()),
            background("checks region and credentials", check_environment(shared(), elects).boxed()),
            background("forgets what nobody uses", prune(shared()).boxed()),
            background("reports what stores do", report_activities(shared()).boxed()),
        ];
        let QueueReceivers { objects, cluster_stores, stores } = queues;
        let objects = run_objects(watches.secure_parameters, objects, subscriber_changes, &context, &stop);
        let cluster_stores = run_stores(watches.cluster_stores, cluster_stores, StoreKey::cluster, &context, &stop);
        let stores = run_stores(watches.stores, stores, StoreKey::namespaced, &context, &stop);
        // One future, so that all are polled when one is woken: of several that wait for a cache, kube wakes only one.
        tokio::join!(
            announce_caches(&context),
            until_stopped("reconciles SecureParameters", objects, &context, &stop),
            until_stopped("reconciles ClusterParameterStores", cluster_stores, &context, &stop),
            until_stopped("reconciles ParameterStores", stores, &context, &stop),
        );
    }
}

/// Waits until this process leads and knows the other operators.
fn leading(context: &Context) -> impl Future<Output = ()> + Send + use<> {
    let (leadership, shards) = (context.leadership.clone(), context.shards.clone());
    async move {
        leadership.acquired().await;
        shards.known().await;
    }
}

/// Runs a controller. Raises the alarm if it ends before `stop`.
async fn until_stopped(
    name: &'static str,
    controller: impl Future<Output = ()>,
    context: &Context,
    stop: &CancellationToken,
) {
    controller.await;
    if !stop.is_cancelled() {
        context.alarm.raise(name);
    }
}

/// Returns a function that updates the gauges, which are computed only when they are requested.
pub(crate) fn update_gauges(context: &Arc<Context>) -> impl Fn(&Metrics) + Clone + Send + Sync + 'static {
    let context = context.clone();
    move |metrics| {
        let leads = context.leadership.check().is_ok();
        metrics.leads(leads);
        metrics.objects(&context.object_states.count_by_reason());
        metrics.overlapping(if leads { sharding::overlap(&context).count } else { 0 });
        metrics.limits_reached(&context.usage.lock().reached());
        let (parameters, paths) = context.subscriptions.watched();
        metrics.watched(parameters, paths);
        metrics.queued(context.queues.waiting_objects());
        metrics.stores(figures::of_stores(&context));
        metrics.forget_regions();
        for (account, region, limits) in context.gateway.quotas.all() {
            for (quota, waiting) in limits.waiting() {
                metrics.waiting(&account, &region, quota, waiting);
            }
            metrics.quota(&account, &region, limits.parameters.limit(), limits.parameters.rate());
        }
    }
}

async fn announce_caches(context: &Context) {
    if context.caches.wait_until_ready().await {
        context.caches_ready.cancel();
    }
}

async fn compare(context: Arc<Context>) {
    context.leadership.acquired().await;
    comparisons::run(context).await;
}

/// Checks region and credentials. One that stands by is ready without, since the check may call AWS.
async fn check_environment(context: Arc<Context>, elects: bool) {
    if elects {
        context.health.open(environment::GATE);
    }
    context.leadership.acquired().await;
    environment::check(context).await;
    future::pending::<()>().await;
}

/// Keeps the statuses of stores up to date with what they do.
async fn report_activities(context: Arc<Context>) {
    loop {
        sleep(ACTIVITY_INTERVAL).await;
        queue_changed_activities(&context);
    }
}

async fn prune(context: Arc<Context>) {
    loop {
        sleep(PRUNING).await;
        context.gateway.readers.prune();
        context.gateway.quotas.prune();
        context.store_pace.prune(Instant::now());
    }
}
