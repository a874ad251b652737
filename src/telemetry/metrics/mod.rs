//! Metrics in the OpenMetrics format. Every counter starts at zero with all its labels, so that the first increment is
//! seen as one.

pub(crate) mod labels;
mod process;
mod record;
pub(crate) mod set;
mod zero;

use std::{fmt, sync::atomic::AtomicU64};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Metric, Registry},
};

use crate::telemetry::metrics::{
    labels::{
        CallLabels, CauseLabel, ChangeLabel, KindLabel, LimitLabel, OperationLabel, OutcomeLabel, QuotaLabel,
        ReasonLabel, ReconcileLabels, RegionLabels, RegionQuotaLabels, StoreLabels, WaitLabel, WatchLabel,
    },
    process::ProcessCollector,
};

/// Upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 15] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 90.0, 120.0];

/// The commit that the program was built from, if whoever built it said so.
const REVISION: Option<&str> = option_env!("SPO_REVISION");

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;
type Decimal = Gauge<f64, AtomicU64>;

/// All metrics of the process.
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Histograms<KindLabel>,
    in_progress: Family<KindLabel, Gauge>,
    queue: Gauge,
    waits: Histograms<WaitLabel>,
    aws_calls: Family<CallLabels, Counter>,
    aws_durations: Histograms<OperationLabel>,
    decrypted: Counter,
    secret_writes: Counter,
    repairs: Family<CauseLabel, Counter>,
    restarts: Family<OutcomeLabel, Counter>,
    panics: Family<KindLabel, Counter>,
    audit_records_lost: Counter,
    watch_errors: Family<WatchLabel, Counter>,
    leader: Gauge,
    leader_changes: Family<ChangeLabel, Counter>,
    lease_transitions: Gauge,
    overlapping_objects: Gauge,
    objects: Family<ReasonLabel, Gauge>,
    limits_reached: Family<LimitLabel, Gauge>,
    watched_parameters: Gauge,
    watched_paths: Gauge,
    store_ready: Family<StoreLabels, Gauge>,
    store_last_look: Family<StoreLabels, Gauge>,
    store_overdue_looks: Family<StoreLabels, Gauge>,
    allowed_rate: Family<RegionLabels, Decimal>,
    current_rate: Family<RegionLabels, Decimal>,
    quota_waiting: Family<RegionQuotaLabels, Gauge>,
    quota_waits: Histograms<QuotaLabel>,
}

fn durations<L: Clone + std::hash::Hash + Eq>() -> Histograms<L> {
    Family::new_with_constructor(|| Histogram::new(BUCKETS))
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: &M) {
    registry.register(name, help, metric.clone());
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            reconciles: Family::default(),
            durations: durations(),
            in_progress: Family::default(),
            queue: Gauge::default(),
            waits: durations(),
            aws_calls: Family::default(),
            aws_durations: durations(),
            decrypted: Counter::default(),
            secret_writes: Counter::default(),
            repairs: Family::default(),
            restarts: Family::default(),
            panics: Family::default(),
            audit_records_lost: Counter::default(),
            watch_errors: Family::default(),
            leader: Gauge::default(),
            leader_changes: Family::default(),
            lease_transitions: Gauge::default(),
            overlapping_objects: Gauge::default(),
            objects: Family::default(),
            limits_reached: Family::default(),
            watched_parameters: Gauge::default(),
            watched_paths: Gauge::default(),
            store_ready: Family::default(),
            store_last_look: Family::default(),
            store_overdue_looks: Family::default(),
            allowed_rate: Family::default(),
            current_rate: Family::default(),
            quota_waiting: Family::default(),
            quota_waits: durations(),
        };
        metrics.register();
        metrics.start_at_zero();
        metrics
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    fn register(&mut self) {
        let mut registry = std::mem::take(&mut self.registry);
        registry.register_collector(Box::new(ProcessCollector::new()));
        let ours = registry.sub_registry_with_prefix("secureparameter");
        let build = [("version", env!("CARGO_PKG_VERSION")), ("revision", REVISION.unwrap_or("unknown"))];
        ours.register("build", "Version of the operator, and the commit that it was built from", Info::new(build));
        self.register_work(ours);
        self.register_aws(ours);
        self.register_cluster(ours);
        self.registry = registry;
    }

    /// What is done for objects and stores.
    fn register_work(&self, registry: &mut Registry) {
        add(registry, "objects", "SecureParameters by the reason of their Ready condition", &self.objects);
        let help = "Reconciles by kind of object and by the reason of the Ready condition that they wrote";
        add(registry, "reconciles", help, &self.reconciles);
        let help = "Duration of reconciles in seconds, waiting for AWS included";
        add(registry, "reconcile_duration_seconds", help, &self.durations);
        add(registry, "reconciles_in_progress", "Reconciles that have begun and not ended", &self.in_progress);
        add(registry, "queue_objects", "SecureParameters that wait to be reconciled", &self.queue);
        let help = "How long SecureParameters waited in the queue, and after that for a slot, in seconds";
        add(registry, "queue_wait_seconds", help, &self.waits);
        add(registry, "secret_writes", "Writes of Secrets", &self.secret_writes);
        let help = "Secrets that were put right after somebody else had changed or deleted them";
        add(registry, "drift_repairs", help, &self.repairs);
        add(
            registry,
            "workload_restarts",
            "Restarts of workloads after their Secret changed, by outcome",
            &self.restarts,
        );
        let help = "Panics in the work of one object or store, which is then left alone until it changes";
        add(registry, "panics", help, &self.panics);
        let help = "Namespaces of which something is refused because of a limit for each namespace";
        add(registry, "namespace_limit_reached", help, &self.limits_reached);
        let help = "Whether a store is ready: 1 or 0";
        add(registry, "store_ready", help, &self.store_ready);
        let help = "When AWS last said something about a parameter or path of the store, in seconds since 1970";
        add(registry, "store_last_look_timestamp_seconds", help, &self.store_last_look);
        let help = "Parameters and paths of the store that were not looked at for two refresh intervals";
        add(registry, "store_overdue_looks", help, &self.store_overdue_looks);
    }

    /// What AWS is asked.
    fn register_aws(&self, registry: &mut Registry) {
        add(registry, "aws_calls", "AWS calls by operation and outcome", &self.aws_calls);
        let help = "Duration of AWS calls in seconds, from the request to the end of the response";
        add(registry, "aws_call_duration_seconds", help, &self.aws_durations);
        add(registry, "decrypted_values", "Parameters that AWS returned decrypted", &self.decrypted);
        let help = "Distinct parameters that are watched by name or below a path";
        add(registry, "watched_parameters", help, &self.watched_parameters);
        add(registry, "watched_paths", "Distinct paths that are watched", &self.watched_paths);
        let help = "Requests a second to Parameter Store that the stores allow";
        add(registry, "quota_requests_per_second", help, &self.allowed_rate);
        let help = "Requests a second to Parameter Store at most at present; less than allowed while AWS throttles";
        add(registry, "quota_current_requests_per_second", help, &self.current_rate);
        let help = "Namespaces and urgencies with AWS calls that wait for their turn";
        add(registry, "quota_waiting", help, &self.quota_waiting);
        add(registry, "quota_wait_seconds", "How long AWS calls waited for their turn, in seconds", &self.quota_waits);
        let help = "Audit records that could not be written to standard output";
        add(registry, "audit_records_lost", help, &self.audit_records_lost);
    }

    /// How the operator gets on with the API server and with its like.
    fn register_cluster(&self, registry: &mut Registry) {
        add(registry, "watch_errors", "Errors of Kubernetes watches", &self.watch_errors);
        add(registry, "leader", "Whether this process leads: 1 or 0", &self.leader);
        let help = "How often this process became the leader, and how often it ceased to be";
        add(registry, "leader_changes", help, &self.leader_changes);
        let help = "How often the leader has changed, as the Lease says";
        add(registry, "lease_transitions", help, &self.lease_transitions);
        let help = "SecureParameters of this operator that another one watches too";
        add(registry, "overlapping_objects", help, &self.overlapping_objects);
    }

    /// Encodes all metrics as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String never fails.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
