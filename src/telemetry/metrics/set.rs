//! What is so at present. It is set when somebody asks for the metrics.

use std::collections::BTreeMap;

use prometheus_client::{encoding::EncodeLabelSet, metrics::family::Family, metrics::gauge::Gauge};

use crate::{
    api::Reason,
    domain::access::namespace_usage::NamespaceLimit,
    telemetry::metrics::{
        Metrics,
        labels::{LimitLabel, ReasonLabel, RegionLabels, RegionQuotaLabels, StoreLabels},
    },
};

/// A store as the metrics show it.
#[derive(Clone, Debug)]
pub(crate) struct StoreFigures {
    /// Its kind.
    pub(crate) kind: &'static str,
    /// Its namespace; empty for a store of the cluster.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Whether it is ready.
    pub(crate) is_ready: bool,
    /// When AWS last said something about what it reads, in seconds since 1970.
    pub(crate) last_look: Option<i64>,
    /// How many parameters and paths were not looked at in time.
    pub(crate) overdue_looks: usize,
}

impl Metrics {
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
        self.overlapping_objects.set(whole(objects));
    }

    /// Sets the number of objects by the reason of their `Ready` condition.
    pub(crate) fn objects(&self, by_reason: &BTreeMap<Reason, i64>) {
        for reason in Reason::ALL {
            let count = by_reason.get(reason).copied().unwrap_or_default();
            self.objects.get_or_create(&ReasonLabel { reason: reason.as_str() }).set(count);
        }
    }

    /// Sets the number of objects that wait to be reconciled.
    pub(crate) fn queued(&self, objects: usize) {
        self.queue.set(whole(objects));
    }

    /// Sets the number of namespaces that have reached each limit.
    pub(crate) fn limits_reached(&self, by_limit: &BTreeMap<NamespaceLimit, usize>) {
        for limit in NamespaceLimit::ALL {
            let namespaces = by_limit.get(&limit).copied().unwrap_or_default();
            self.limits_reached.get_or_create(&LimitLabel { limit: limit.as_str() }).set(whole(namespaces));
        }
    }

    /// Sets the number of distinct parameters and paths that are watched.
    pub(crate) fn watched(&self, parameters: usize, paths: usize) {
        self.watched_parameters.set(whole(parameters));
        self.watched_paths.set(whole(paths));
    }

    /// Sets the figures of all stores. Those of other stores go.
    pub(crate) fn stores(&self, stores: Vec<StoreFigures>) {
        for figures in [&self.store_ready, &self.store_last_look, &self.store_overdue_looks] {
            figures.clear();
        }
        for store in stores {
            let StoreFigures { kind, namespace, name, is_ready, last_look, overdue_looks } = store;
            let labels = StoreLabels { store_kind: kind, store_namespace: namespace, store_name: name };
            set(&self.store_ready, &labels, i64::from(is_ready));
            set(&self.store_overdue_looks, &labels, whole(overdue_looks));
            if let Some(seconds) = last_look {
                set(&self.store_last_look, &labels, seconds);
            }
        }
    }

    /// Forgets the figures of all accounts and regions, before those that are in use are set.
    pub(crate) fn forget_regions(&self) {
        self.allowed_rate.clear();
        self.current_rate.clear();
        self.quota_waiting.clear();
    }

    /// Sets the rates of requests to Parameter Store in an account and region, in requests a second: what the stores
    /// allow, and what is used at most at present, which is less while AWS throttles.
    pub(crate) fn quota(&self, account: &str, region: &str, allowed: f64, current: f64) {
        let labels = RegionLabels { account: account.to_owned(), region: region.to_owned() };
        self.allowed_rate.get_or_create(&labels).set(allowed);
        self.current_rate.get_or_create(&labels).set(current);
    }

    /// Sets how many wait for a turn within a quota.
    pub(crate) fn waiting(&self, account: &str, region: &str, quota: &'static str, waiting: usize) {
        let labels = RegionQuotaLabels { account: account.to_owned(), region: region.to_owned(), quota };
        set(&self.quota_waiting, &labels, whole(waiting));
    }
}

fn set<L: Clone + Eq + std::hash::Hash + EncodeLabelSet>(family: &Family<L, Gauge>, labels: &L, value: i64) {
    family.get_or_create(labels).set(value);
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(name: &str, last_look: Option<i64>) -> StoreFigures {
        let (kind, namespace, name) = ("ParameterStore", "shop".to_owned(), name.to_owned());
        StoreFigures { kind, namespace, name, is_ready: true, last_look, overdue_looks: 2 }
    }

    #[test]
    fn a_store_that_is_gone_leaves_no_figures() {
        let metrics = Metrics::default();
        metrics.stores(vec![store("a", Some(7)), store("b", None)]);
        let page = metrics.encode();
        let labels =
            |name: &str| format!("{{store_kind=\"ParameterStore\",store_namespace=\"shop\",store_name=\"{name}\"}}");
        assert!(
            page.contains(&format!("secureparameter_store_last_look_timestamp_seconds{} 7\n", labels("a"))),
            "{page}"
        );
        assert!(page.contains(&format!("secureparameter_store_overdue_looks{} 2\n", labels("b"))), "{page}");
        assert!(!page.contains(&format!("timestamp_seconds{}", labels("b"))), "{page}");
        metrics.stores(vec![store("b", None)]);
        assert!(!metrics.encode().contains(&labels("a")));
    }
}
