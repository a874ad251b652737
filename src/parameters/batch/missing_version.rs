//! Whether a parameter is missing or only the requested version or label.
//!
//! `GetParameters` reports both in the same way. A request for the name without its selector tells them apart. It needs
//! no other IAM action, and, since it does not decrypt, no access to keys.

use std::sync::Arc;

use tokio::{
    sync::oneshot::{self, Receiver},
    time::Instant,
};

use crate::domain::audit::Access;
use crate::parameters::{
    batch::{
        record_call::objects,
        requests::{QueuedName, ReadReply, ReadRequest},
        shared::Shared,
    },
    port::{ParameterApi, ReadMode},
    read_error::ReadError,
};

/// Finds out, for each of these names, whether the parameter or its version is missing, and reports it. `access` is the
/// call that did not find them.
pub(crate) fn report_missing<A: ParameterApi>(shared: &Arc<Shared<A>>, names: Vec<QueuedName>, access: &Arc<Access>) {
    for name in names {
        let (reply, access) = (request(shared, &name), Arc::clone(access));
        tokio::spawn(async move {
            // No reply comes if the batcher stops.
            let Ok(reply) = reply.await else { return };
            report(name, reply, access);
        });
    }
}

fn request<A: ParameterApi>(shared: &Shared<A>, name: &QueuedName) -> Receiver<ReadReply> {
    let (reply, receiver) = oneshot::channel();
    let request = ReadRequest {
        parameter_ref: name.parameter_ref.with_selector(None),
        mode: ReadMode::Version,
        optional: false,
        claims: name.claims.clone(),
        objects: objects(std::slice::from_ref(name)),
        not_before: None,
        changed_at: None,
    };
    if shared.state().request(request, reply, Instant::now()) {
        shared.added.notify_one();
    }
    receiver
}

fn report(name: QueuedName, reply: ReadReply, access: Arc<Access>) {
    let error = match reply.result {
        Ok(_) => ReadError::VersionNotFound,
        // If the request failed, nothing is known; in particular, the parameter is not known to be missing.
        Err(error) => error,
    };
    let accesses: Vec<_> = std::iter::once(access).chain(reply.accesses).collect();
    name.deliver(&Err(error), &accesses);
}
