//! Metrics in the OpenMetrics format. Label values come from closed lists, never from names of objects, so that their
//! number is bounded.

use std::{collections::BTreeMap, fmt, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{
    api::Reason,
    domain::{access::namespace_usage::NamespaceLimit, audit::AuditRecord},
};

/// All metrics of the process.
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Family<ReconcileLabels, Histogram, fn() -> Histogram>,
    aws_calls: Family<CallLabels, Counter>,
    decrypted: Counter,
    secret_writes: Counter,
    panics: Family<KindLabel, Counter>,
    audit_records_lost: Counter,
    watch_errors: Family<WatchLabel, Counter>,
    leader: Gauge,
    lease_transitions: Gauge,
    overlapping_objects: Gauge,
    objects: Family<ReasonLabel, Gauge>,
    limits_reached: Family<LimitLabel, Gauge>,
    watched_parameters: Gauge,
    watched_paths: Gauge,
    allowed_rate: Family<RegionLabels, Gauge<f64, AtomicU64>>,
    current_rate: Family<RegionLabels, Gauge<f64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    kind: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    operation: String,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabel {
    watch: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabel {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RegionLabels {
    account: String,
    region: String,
}

/// The label `reason` of a reconcile whose status could not be written. Not a [`Reason`], since no status can show it.
const STATUS_WRITE_FAILED: &str = "StatusWriteFailed";

/// The kinds that are reconciled.
const KINDS: [&str; 3] = ["SecureParameter", "ClusterParameterStore", "ParameterStore"];

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("secureparameter"),
            reconciles: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            aws_calls: Family::default(),
            decrypted: Counter::default(),
            secret_writes: Counter::default(),
            panics: Family::default(),
            audit_records_lost: Counter::default(),
            watch_errors: Family::default(),
            leader: Gauge::default(),
            lease_transitions: Gauge::default(),
            overlapping_objects: Gauge::default(),
            objects: Family::default(),
            limits_reached: Family::default(),
            watched_parameters: Gauge::default(),
            watched_paths: Gauge::default(),
            allowed_rate: Family::default(),
            current_rate: Family::default(),
        };
        metrics.register();
        // From the start, so that the first panic is an increase.
        for kind in KINDS {
            drop(metrics.panics.get_or_create(&KindLabel { kind }));
        }
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
        let Self { registry, .. } = self;
        let help = "Reconciles by kind of object and by the reason of the Ready condition that they wrote";
        registry.register("reconciles", help, self.reconciles.clone());
        let help = "Duration of reconciles in seconds, waiting for AWS included";
        registry.register("reconcile_duration_seconds", help, self.durations.clone());
        let help = "AWS calls by operation and outcome: OK, the error code of AWS, NoAnswer or Unreadable";
        registry.register("aws_calls", help, self.aws_calls.clone());
        registry.register("decrypted_values", "Parameters that AWS returned decrypted", self.decrypted.clone());
        registry.register("secret_writes", "Writes of Secrets", self.secret_writes.clone());
        let help = "Panics in the work of one object or store, which is then left alone until it changes";
        registry.register("panics", help, self.panics.clone());
        let help = "Audit records that could not be written to standard output";
        registry.register("audit_records_lost", help, self.audit_records_lost.clone());
        registry.register("watch_errors", "Errors of Kubernetes watches", self.watch_errors.clone());
        registry.register("leader", "Whether this process leads: 1 or 0", self.leader.clone());
        let help = "How often the leader has changed, as the Lease says";
        registry.register("lease_transitions", help, self.lease_transitions.clone());
        let help = "SecureParameters of this operator that another one watches too";
        registry.register("overlapping_objects", help, self.overlapping_objects.clone());
        registry.register("objects", "SecureParameters by the reason of their Ready condition", self.objects.clone());
        let help = "Namespaces of which something is refused because of a limit for each namespace";
        registry.register("namespace_limit_reached", help, self.limits_reached.clone());
        let help = "Distinct parameters that are watched by name or below a path";
        registry.register("watched_parameters", help, self.watched_parameters.clone());
        registry.register("watched_paths", "Distinct paths that are watched", self.watched_paths.clone());
        let help = "Requests a second to Parameter Store that the stores allow";
        registry.register("quota_requests_per_second", help, self.allowed_rate.clone());
        let help = "Requests a second to Parameter Store at most at present; less than allowed while AWS throttles";
        registry.register("quota_current_requests_per_second", help, self.current_rate.clone());
    }

    /// Counts a reconcile of an object of `kind`. `reason` is `None` if the status could not be written.
    pub(crate) fn reconciled(&self, kind: &'static str, reason: Option<Reason>, duration: Duration) {
        let labels = ReconcileLabels { kind, reason: reason.map_or(STATUS_WRITE_FAILED, Reason::as_str) };
        self.reconciles.get_or_create(&labels).inc();
        self.durations.get_or_create(&labels).observe(duration.as_secs_f64());
    }

    /// Counts an AWS call and the values that it decrypted.
    pub(crate) fn aws_call(&self, record: &AuditRecord) {
        let text = |key: &str| record.cloudtrail.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        let without_code = match (&record.client_error, record.answered) {
            (None, _) => "OK",
            (Some(_), true) => "Unreadable",
            (Some(_), false) => "NoAnswer",
        };
        let labels = CallLabels {
            operation: text("eventName").unwrap_or_default(),
            outcome: text("errorCode").unwrap_or_else(|| without_code.to_owned()),
        };
        self.aws_calls.get_or_create(&labels).inc();
        let decrypted = record.parameters.iter().filter(|parameter| parameter.outcome == "Decrypted").count();
        self.decrypted.inc_by(u64::try_from(decrypted).unwrap_or(u64::MAX));
    }

    /// Counts a write of a Secret.
    pub(crate) fn secret_written(&self) {
        self.secret_writes.inc();
    }

    /// Counts a panic in the work of an object of `kind`.
    pub(crate) fn panicked(&self, kind: &'static str) {
        self.panics.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts an audit record that was lost.
    pub(crate) fn audit_record_lost(&self) {
        self.audit_records_lost.inc();
    }

    /// Counts an error of a watch.
    pub(crate) fn watch_error(&self, watch: &'static str) {
        self.watch_errors.get_or_create(&WatchLabel { watch }).inc();
    }

    /// Sets whether this process leads.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Sets how often the leader has changed.
    pub(crate) fn lease_transitions(&self, transitions: i32) {
        self.lease_transitions.set(i64::from(transitions));
    }

    /// Sets the number of objects that another operator watches too.
    pub(crate) fn overlapping(&self, objects: usize) {
        self.overlapping_objects.set(i64::try_from(objects).unwrap_or(i64::MAX));
    }

    /// Sets the number of objects by the reason of their `Ready` condition.
    pub(crate) fn objects(&self, by_reason: &BTreeMap<Reason, i64>) {
        for reason in Reason::ALL {
            let count = by_reason.get(reason).copied();
            // A reason that no object has had yet gets no sample.
            let label = ReasonLabel { reason: reason.as_str() };
            if let Some(count) = count.or_else(|| self.objects.get(&label).map(|_| 0)) {
                self.objects.get_or_create(&label).set(count);
            }
        }
    }

    /// Sets the number of namespaces that have reached each limit.
    pub(crate) fn limits_reached(&self, by_limit: &BTreeMap<NamespaceLimit, usize>) {
        for limit in NamespaceLimit::ALL {
            let namespaces = by_limit.get(&limit).copied().unwrap_or_default();
            let gauge = self.limits_reached.get_or_create(&LimitLabel { limit: limit.as_str() });
            gauge.set(i64::try_from(namespaces).unwrap_or(i64::MAX));
        }
    }

    /// Sets the number of distinct parameters and paths that are watched.
    pub(crate) fn watched(&self, parameters: usize, paths: usize) {
        self.watched_parameters.set(i64::try_from(parameters).unwrap_or(i64::MAX));
        self.watched_paths.set(i64::try_from(paths).unwrap_or(i64::MAX));
    }

    /// Sets the rates of requests to Parameter Store in an account and region, in requests a second: what the stores
    /// allow, and what is used at most at present, which is less while AWS throttles.
    pub(crate) fn quota(&self, account: &str, region: &str, allowed: f64, current: f64) {
        let labels = RegionLabels { account: account.to_owned(), region: region.to_owned() };
        self.allowed_rate.get_or_create(&labels).set(allowed);
        self.current_rate.get_or_create(&labels).set(current);
    }

    /// Encodes all metrics as OpenMetrics text.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String never fails.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
