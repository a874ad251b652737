//! What is not fine about objects, from their status.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::ObjectMeta, jiff::Timestamp};
use serde::Serialize;

use crate::{
    api::{
        ClusterParameterStore, Condition, ConditionStatus, ConditionType, ParameterStore, Reason, SecureParameter,
        StoreKind, StoreStatus,
    },
    domain::report::next_step::next_step,
    kubernetes::user_session::Seen,
};

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Severity {
    /// It does not work.
    Broken,
    /// It works, but needs attention.
    Warning,
    /// It is as somebody wants it, but perhaps not known to all.
    Note,
}

impl Severity {
    /// The word in the table.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Broken => "Broken",
            Self::Warning => "Warning",
            Self::Note => "Note",
        }
    }
}

/// Something that is not fine.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    /// Kind of the object.
    pub(super) kind: &'static str,
    /// Its namespace, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    /// Its name.
    pub(super) name: String,
    /// How bad it is.
    pub(super) severity: Severity,
    /// The reason, of the closed list if the operator gave it.
    pub(super) reason: String,
    /// What happened.
    pub(super) message: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<Timestamp>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_step: Option<String>,
}

/// Returns what is not fine, the worst first.
pub(super) fn findings(seen: &Seen) -> Vec<Finding> {
    let listing = &seen.listing;
    let mut found = Vec::new();
    listing.cluster_stores.iter().for_each(|store: &ClusterParameterStore| {
        Subject::new(StoreKind::ClusterParameterStore.as_str(), &store.metadata)
            .store(store.status.as_ref(), &mut found);
    });
    listing.stores.iter().for_each(|store: &ParameterStore| {
        Subject::new(StoreKind::ParameterStore.as_str(), &store.metadata).store(store.status.as_ref(), &mut found);
    });
    for object in &listing.secure_parameters {
        Subject::new("SecureParameter", &object.metadata).secure_parameter(object, &mut found);
    }
    // Stores stay before the objects that fail because of them.
    found.sort_by_key(|finding| finding.severity);
    found
}

/// The object that findings are about.
#[derive(Clone, Copy)]
struct Subject<'a> {
    kind: &'static str,
    meta: &'a ObjectMeta,
}

impl<'a> Subject<'a> {
    const fn new(kind: &'static str, meta: &'a ObjectMeta) -> Self {
        Self { kind, meta }
    }

    fn store(self, status: Option<&StoreStatus>, found: &mut Vec<Finding>) {
        let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
        // To objects, the reason says to look at the store; the store itself says in its message what to do.
        let for_stores = |finding: Finding| {
            let next_step = finding.next_step.filter(|_| finding.reason != Reason::StoreNotReady.as_str());
            Finding { next_step, ..finding }
        };
        found.extend(self.readiness(conditions).map(for_stores));
        found.extend(self.unseen(status.and_then(|status| status.observed_generation)));
        for warning in status.map(|status| status.warnings.as_slice()).unwrap_or_default() {
            found.push(self.finding(Severity::Warning, "Attention", warning));
        }
    }

    fn secure_parameter(self, object: &SecureParameter, found: &mut Vec<Finding>) {
        let status = object.status.as_deref();
        let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
        found.extend(self.readiness(conditions));
        found.extend(self.unseen(status.and_then(|status| status.observed_generation)));
        let find = |type_| status.and_then(|status| status.condition(type_));
        found.extend(find(ConditionType::Suspended).map(|condition| self.of(Severity::Note, condition)));
        let restarted = find(ConditionType::Restarted).filter(|condition| condition.status == ConditionStatus::False);
        found.extend(restarted.map(|condition| {
            let is_pending = condition.known_reason() == Some(Reason::RestartPending);
            self.of(if is_pending { Severity::Note } else { Severity::Warning }, condition)
        }));
        if let Some(time) = &self.meta.deletion_timestamp {
            let message = "It is being deleted.";
            found.push(Finding { since: Some(time.0), ..self.finding(Severity::Note, "Deleting", message) });
        }
    }

    /// What the condition `Ready` says, if that is not that all is well.
    fn readiness(self, conditions: &[Condition]) -> Option<Finding> {
        let Some(ready) = conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str()) else {
            let message = "The operator has not reported on this object.";
            let next_step = Some(next_step(Reason::Progressing).to_owned());
            return Some(Finding { next_step, ..self.finding(Severity::Broken, "Progressing", message) });
        };
        match (ready.status, ready.known_reason()) {
            // Of suspension, the condition of that type says more.
            (ConditionStatus::True, Some(Reason::Synced)) | (_, Some(Reason::Suspended)) => None,
            (ConditionStatus::True, _) => Some(self.of(Severity::Warning, ready)),
            _ => Some(self.of(Severity::Broken, ready)),
        }
    }

    /// Whether the operator has not acted on the newest spec.
    fn unseen(self, observed: Option<i64>) -> Option<Finding> {
        let (newest, observed) = (self.meta.generation?, observed?);
        (observed < newest).then(|| {
            let message = format!("The status is about generation {observed} of the spec, the newest is {newest}.");
            let next_step = Some(next_step(Reason::Progressing).to_owned());
            Finding { next_step, ..self.finding(Severity::Warning, "Progressing", &message) }
        })
    }

    fn of(self, severity: Severity, condition: &Condition) -> Finding {
        // The default of the definition has no time of its own.
        let since = Some(condition.last_transition_time.0).filter(|since| *since != Timestamp::UNIX_EPOCH);
        let created = self.meta.creation_timestamp.as_ref().map(|created| created.0);
        Finding {
            since: since.or(created),
            next_step: condition.known_reason().map(|reason| next_step(reason).to_owned()),
            ..self.finding(severity, &condition.reason, &condition.message)
        }
    }

    fn finding(self, severity: Severity, reason: &str, message: &str) -> Finding {
        Finding {
            kind: self.kind,
            namespace: self.meta.namespace.clone(),
            name: self.meta.name.clone().unwrap_or_default(),
            severity,
            reason: reason.to_owned(),
            message: message.to_owned(),
            since: None,
            next_step: None,
        }
    }
}
