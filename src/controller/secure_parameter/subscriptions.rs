//! Which reader watches the parameters of which object.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::{
    api::status::ParameterStatus,
    aws::client::AwsApi,
    domain::{
        audit::ObjectRef,
        parameter::{name::ParameterRef, selector::Selector},
        plan::types::{Plan, Reads},
    },
    parameters::{Reader, Subscriber, WatchOptions},
};

type StoreReader = Arc<Reader<AwsApi>>;

/// The subscriptions of all objects, by uid. Each ends with its object, or when the object reads from another store.
#[derive(Default)]
pub(crate) struct Subscriptions {
    readers: Mutex<HashMap<String, (StoreReader, Subscriber)>>,
}

impl Subscriptions {
    /// Makes an object watch exactly what a plan reads, through this reader alone. `known` is what the status knows of the
    /// parameters' keys, which a new reader need not ask for again.
    #[expect(clippy::too_many_arguments, reason = "each argument is an independent part of a subscription")]
    pub(crate) fn watch(
        &self,
        reader: &StoreReader,
        subscriber: &Subscriber,
        object: &ObjectRef,
        plan: &Plan,
        options: WatchOptions,
        check_now: bool,
        known: &[ParameterStatus],
    ) {
        let former = self.readers.lock().insert(object.uid.clone(), (Arc::clone(reader), subscriber.clone()));
        let is_new = match former {
            Some((former, _)) if Arc::ptr_eq(&former, reader) => false,
            Some((former, subscriber)) => {
                former.forget(&subscriber);
                true
            }
            None => true,
        };
        reader.watch(subscriber, object, plan, options, check_now);
        // Names below a path are known only once it was listed.
        if is_new || plan.has_paths() {
            restore_keys(reader, &plan.reads(), known);
        }
    }

    /// Ends the subscription of an object.
    pub(crate) fn end(&self, uid: &str) {
        if let Some((reader, subscriber)) = self.readers.lock().remove(uid) {
            reader.forget(&subscriber);
        }
    }
}

/// Tells a reader which keys the status knows.
fn restore_keys(reader: &Reader<AwsApi>, reads: &Reads<'_>, known: &[ParameterStatus]) {
    for status in known {
        let Some(key) = &status.key_arn else { continue };
        for parameter in reads.keys().filter(|parameter| is_selected(parameter, status)) {
            reader.remember_key(parameter, status.version, key);
        }
    }
}

fn is_selected(parameter: &ParameterRef, status: &ParameterStatus) -> bool {
    parameter.arn == status.arn
        && match &parameter.selector {
            None => status.label.is_none(),
            Some(Selector::Label(label)) => status.label.as_ref() == Some(label),
            Some(Selector::Version(version)) => status.version == *version,
        }
}
