//! The audit record of a `GetParameters` call.

use crate::domain::{
    audit::{Access, ApiCall, ObjectRef, Resource},
    parameter::name::ParameterRef,
    schedule::decide::Purpose,
};
use crate::parameters::{
    audited_client::AuditedClient,
    batch::{match_response::Matched, requests::QueuedName},
    outcome::{MAX_AUDITED_OBJECTS, failed, not_found, read},
    port::{ParameterApi, ReadMode},
};

/// Records a call and returns it as an access. `requested` are the names of the request; `found` has the parameter for
/// each of them, and is `None` if the call failed.
pub(crate) fn record_call<A: ParameterApi>(
    client: &AuditedClient<A>,
    mode: ReadMode,
    mut call: ApiCall,
    names: &[QueuedName],
    requested: &[ParameterRef],
    found: Option<&Vec<Matched>>,
) -> Access {
    call.resources = requested.iter().map(|parameter_ref| Resource::parameter(&parameter_ref.arn)).collect();
    let decrypting = mode == ReadMode::Decrypt;
    let outcomes: Vec<_> = match found {
        Some(found) => requested
            .iter()
            .zip(found)
            .map(|(parameter_ref, found)| match found {
                Matched::Found(parameter) => read(parameter_ref, parameter, decrypting),
                Matched::Absent => not_found(parameter_ref),
                Matched::LeftOut => failed(parameter_ref),
            })
            .collect(),
        None => requested.iter().map(failed).collect(),
    };
    let mut objects = objects(names);
    if mode == ReadMode::Version {
        for object in &mut objects {
            *object = object.with_purpose(Purpose::VersionCheck);
        }
    }
    let audit_id = client.record(&call, outcomes.clone(), objects);
    Access {
        event_name: call.event_name,
        request_id: call.request_id,
        audit_id,
        time: call.event_time,
        decrypting,
        parameters: outcomes,
        failed: found.is_none(),
    }
}

/// Returns the objects that wait for these names, each once.
pub(crate) fn objects(names: &[QueuedName]) -> Vec<ObjectRef> {
    let mut objects: Vec<ObjectRef> = Vec::new();
    for object in names.iter().flat_map(|name| &name.waiters).flat_map(|waiter| &waiter.objects) {
        if objects.len() < MAX_AUDITED_OBJECTS && !objects.contains(object) {
            objects.push(object.clone());
        }
    }
    objects
}
