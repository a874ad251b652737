//! Creates Kubernetes Events. kube's recorder is not used: it aggregates Events, while here the name of an Event follows
//! from object and access, so that a repeat creates no second Event and each access keeps its own note.

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event as KubeEvent},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    jiff::Timestamp,
};
use kube::{Api, Client, api::PostParams};

use crate::{api::names, domain::report::event_format::Event, kubernetes::refusal::is_not_leading};

/// Creates Events in the name of this process.
#[derive(Clone)]
pub(crate) struct Events {
    client: Client,
    instance: String,
}

impl Events {
    /// Creates the writer on top of `client`; `instance` is the `reportingInstance` of its Events.
    pub(crate) const fn new(client: Client, instance: String) -> Self {
        Self { client, instance }
    }

    /// Creates an Event about `regarding`. A failure is only logged, since the audit stream is the record and Events
    /// mirror it.
    pub(crate) async fn create(
        &self,
        event: Event,
        regarding: &ObjectReference,
        related: Option<ObjectReference>,
        now: Timestamp,
    ) {
        let namespace = regarding.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let api: Api<KubeEvent> = Api::namespaced(self.client.clone(), &namespace);
        let (name, reason) = (event.name.clone(), event.reason);
        let created =
            api.create(&PostParams::default(), &self.kube_event(event, namespace, regarding, related, now)).await;
        match created {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            // The namespace is being deleted, and its Events with it.
            Err(kube::Error::Api(status)) if status.code == 404 || status.message.contains("being terminated") => {}
            Err(error) if is_not_leading(&error) => {}
            Err(error) => tracing::warn!(event = name, reason, %error, "could not create an Event"),
        }
    }

    fn kube_event(
        &self,
        event: Event,
        namespace: String,
        regarding: &ObjectReference,
        related: Option<ObjectReference>,
        now: Timestamp,
    ) -> KubeEvent {
        KubeEvent {
            metadata: ObjectMeta {
                name: Some(event.name),
                namespace: Some(namespace),
                annotations: Some(event.annotations).filter(|annotations| !annotations.is_empty()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(now)),
            action: Some(event.action.to_owned()),
            reason: Some(event.reason.to_owned()),
            note: Some(event.note),
            type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
            regarding: Some(regarding.clone()),
            related,
            reporting_controller: Some(names::FIELD_MANAGER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..KubeEvent::default()
        }
    }
}
