//! Conditions by the rules of kstatus.

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    reason::{Progress, Reason},
    shared_text::SharedText,
    time::to_time,
};

/// Longest message of a condition or note of an Event, in characters.
pub const MESSAGE_LENGTH: usize = 1_000;

/// One aspect of an object's state, in the shape of `metav1.Condition`.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Reconciling`, `Stalled`, `Suspended` or `Restarted`.
    #[serde(rename = "type")]
    #[schemars(length(max = 64))]
    pub type_: SharedText,
    /// `True`, `False` or `Unknown`.
    pub status: ConditionStatus,
    /// Reason from the closed list.
    #[schemars(length(max = 64))]
    pub reason: SharedText,
    /// One sentence for a person.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// The `metadata.generation` that this condition describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed.
    pub last_transition_time: Time,
}

/// Status of a condition.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

/// The types of conditions that the operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionType {
    /// The Secret holds what the spec asks for. Always present.
    Ready,
    /// The operator keeps trying. Present only while true.
    Reconciling,
    /// Somebody must act. Present only while true.
    Stalled,
    /// `spec.suspend` holds. Present only while true.
    Suspended,
    /// The workloads of `spec.restart` were restarted after the last change. Present once a restart was due.
    Restarted,
}

impl ConditionType {
    /// The type as it is written in the object.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Suspended => "Suspended",
            Self::Restarted => "Restarted",
        }
    }
}

/// Builds the conditions of one object from the previous ones, so that `lastTransitionTime` moves only with the status.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    previous: &'a [Condition],
    generation: Option<i64>,
    now: Timestamp,
}

impl<'a> Conditions<'a> {
    /// Starts from what the object shows now.
    pub const fn new(previous: &'a [Condition], generation: Option<i64>, now: Timestamp) -> Self {
        Self { previous, generation, now }
    }

    /// `Ready=True`. Reason and message may name an outage that is still tolerated.
    pub fn ready(self, reason: Reason, message: &str) -> Vec<Condition> {
        vec![self.condition(ConditionType::Ready, ConditionStatus::True, reason, message)]
    }

    /// `Ready=False`, with `Reconciling` or `Stalled` as the reason demands.
    pub fn not_ready(self, reason: Reason, message: &str) -> Vec<Condition> {
        let mut conditions = vec![self.condition(ConditionType::Ready, ConditionStatus::False, reason, message)];
        let companion = match reason.progress() {
            Progress::Done => return conditions,
            Progress::Retrying => ConditionType::Reconciling,
            Progress::Stalled => ConditionType::Stalled,
        };
        conditions.push(self.condition(companion, ConditionStatus::True, reason, message));
        conditions
    }

    /// `Suspended`, with `Ready` as it was, or Unknown if it was never set.
    pub fn suspended(self, message: &str) -> Vec<Condition> {
        let mut ready = find(self.previous, ConditionType::Ready).cloned().unwrap_or_else(|| {
            self.condition(ConditionType::Ready, ConditionStatus::Unknown, Reason::Suspended, message)
        });
        ready.observed_generation = self.generation;
        vec![ready, self.condition(ConditionType::Suspended, ConditionStatus::True, Reason::Suspended, message)]
    }

    /// `Restarted`, which stands beside all others.
    pub fn restarted(self, is_done: bool, reason: Reason, message: &str) -> Condition {
        let status = if is_done { ConditionStatus::True } else { ConditionStatus::False };
        self.condition(ConditionType::Restarted, status, reason, message)
    }

    fn condition(self, type_: ConditionType, status: ConditionStatus, reason: Reason, message: &str) -> Condition {
        let unchanged = find(self.previous, type_).filter(|c| c.status == status);
        Condition {
            type_: type_.as_str().into(),
            status,
            reason: reason.as_str().into(),
            message: truncate(message, MESSAGE_LENGTH),
            observed_generation: self.generation,
            last_transition_time: unchanged.map_or_else(|| to_time(self.now), |c| c.last_transition_time.clone()),
        }
    }
}

/// The condition of an object that the operator has not reported on. It is the default of `status` in the definition: the
/// API server fills it in at each read, which costs no write. Without it kstatus would call such an object ready.
pub fn unreported() -> Condition {
    Condition {
        type_: ConditionType::Ready.as_str().into(),
        status: ConditionStatus::Unknown,
        reason: Reason::Progressing.as_str().into(),
        message: "The operator has not reported on this object yet; if this lasts, check whether the operator and the store are ready."
            .to_owned(),
        observed_generation: None,
        last_transition_time: to_time(Timestamp::UNIX_EPOCH),
    }
}

impl Condition {
    /// Its reason, if it is in the closed list.
    pub fn known_reason(&self) -> Option<Reason> {
        Reason::ALL.iter().find(|reason| self.reason == reason.as_str()).copied()
    }
}

/// The condition of this type, if present.
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == type_.as_str())
}

/// `text` cut to `length` characters, with an ellipsis where something was cut.
pub fn truncate(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        None => text.to_owned(),
        Some(_) => text.chars().take(length - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap_or_default()
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let first = Conditions::new(&[], Some(1), at(10)).not_ready(Reason::AccessDenied, "a");
        let second = Conditions::new(&first, Some(2), at(20)).not_ready(Reason::DecryptDenied, "b");
        assert_eq!(second[0].last_transition_time, to_time(at(10)));
        let third = Conditions::new(&second, Some(2), at(30)).ready(Reason::Synced, "c");
        assert_eq!(third[0].last_transition_time, to_time(at(30)));
    }

    #[test]
    fn messages_are_cut_at_a_character() {
        assert_eq!(truncate("äöü", 3), "äöü");
        assert_eq!(truncate("äöüß", 3), "äö…");
    }
}
