//! The part of the tree below a SecureParameter.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::draw::Node;
use crate::{
    api::{
        Condition, ConditionStatus, ConditionType, RestartTarget, SecureParameter, SecureParameterStatus, WorkloadKind,
        status::{LISTED_KEYS, ParameterStatus},
    },
    commands::plugin::text::count,
    domain::parameter::scope::Scope,
};

/// Returns the tree of an object. `scope` is the place that its store reads from.
pub(super) fn object(object: &SecureParameter, scope: Option<&Scope>) -> Node {
    let (meta, spec) = (&object.metadata, &object.spec);
    let name = [meta.namespace.as_deref(), meta.name.as_deref()].into_iter().flatten().collect::<Vec<_>>().join("/");
    let status = object.status.as_deref();
    let mut node = Node::new("SecureParameter", name, status.map(state).unwrap_or_default());
    let parameters = status.map(|status| status.parameters.as_slice()).unwrap_or_default();
    node.children.extend(parameters.iter().map(|read| parameter(read, scope)));
    node.children.extend(unlisted(status, parameters.len()));
    node.children.push(secret(object, status));
    node.children.extend(spec.restart.iter().map(|target| workload(target, status)));
    node
}

/// What a condition `Ready` says in a word or two.
pub(super) fn readiness(ready: &Condition) -> String {
    match ready.status {
        ConditionStatus::True if ready.reason == "Synced" || ready.reason == "Suspended" => "Ready".to_owned(),
        ConditionStatus::True => format!("Ready ({})", ready.reason),
        ConditionStatus::False => format!("not Ready ({})", ready.reason),
        ConditionStatus::Unknown => format!("unknown ({})", ready.reason),
    }
}

fn state(status: &SecureParameterStatus) -> String {
    let suspended = status.condition(ConditionType::Suspended).map(|_| "suspended".to_owned());
    let is_said = |ready: &&Condition| ready.status == ConditionStatus::Unknown && suspended.is_some();
    let ready = status.condition(ConditionType::Ready).filter(|ready| !is_said(ready)).map(readiness);
    let parts = [ready, suspended];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn parameter(read: &ParameterStatus, scope: Option<&Scope>) -> Node {
    let name = scope.and_then(|scope| scope.own_name(&read.arn)).unwrap_or(&read.arn);
    let label = read.label.as_ref().map(|label| format!(" with label {label}")).unwrap_or_default();
    let mut node = Node::new("parameter", name, format!("version {}{label}, {}", read.version, read.type_));
    node.children.extend(read.keys.iter().map(|key| Node::new("key", key, "")));
    if read.keys.len() == LISTED_KEYS {
        node.children.push(Node::new("", "perhaps more keys", format!("the status lists {LISTED_KEYS}")));
    }
    node
}

fn unlisted(status: Option<&SecureParameterStatus>, listed: usize) -> Option<Node> {
    let all = usize::try_from(status?.parameter_count?).ok()?;
    let more = all.checked_sub(listed).filter(|more| *more > 0)?;
    Some(Node::new("", count(more, "more parameter"), "the status does not list them"))
}

/// The Secret, with the keys that no single parameter stands behind.
fn secret(object: &SecureParameter, status: Option<&SecureParameterStatus>) -> Node {
    let written = status.and_then(|status| status.secret.as_ref());
    let mut node = match written {
        Some(secret) => {
            Node::new("Secret", &secret.name, count(usize::try_from(secret.keys).unwrap_or_default(), "key"))
        }
        None => Node::new("Secret", object.secret_name(), "not written yet"),
    };
    let template = object.spec.target.as_ref().and_then(|target| target.template.as_ref());
    let keys = template.iter().flat_map(|template| template.data.keys());
    node.children.extend(keys.map(|key| Node::new("key", key, "from a template")));
    node
}

fn workload(target: &RestartTarget, status: Option<&SecureParameterStatus>) -> Node {
    let name = match (&target.name, &target.selector) {
        (Some(name), _) => name.clone(),
        (None, selector) => format!("selected by {}", selector.as_ref().map(selection).unwrap_or_default()),
    };
    let restarted = status.and_then(|status| status.condition(ConditionType::Restarted));
    let detail = restarted.map_or("restarted when the Secret changes", |restarted| match restarted.status {
        ConditionStatus::True => "restarted after the last change",
        _ if restarted.reason == "RestartPending" => "about to be restarted",
        _ => "not restarted after the last change",
    });
    Node::new(kind(target.kind), name, detail)
}

const fn kind(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "Deployment",
        WorkloadKind::StatefulSet => "StatefulSet",
        WorkloadKind::DaemonSet => "DaemonSet",
        WorkloadKind::Rollout => "Rollout",
    }
}

fn selection(selector: &LabelSelector) -> String {
    let labels = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|requirement| {
        let values = requirement.values.as_deref().unwrap_or_default().join(",");
        format!("{} {} {values}", requirement.key, requirement.operator).trim_end().to_owned()
    });
    labels.chain(expressions).collect::<Vec<_>>().join(", ")
}
