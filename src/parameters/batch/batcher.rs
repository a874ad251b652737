//! The batcher as its users see it.

use std::sync::Arc;

use tokio::{sync::oneshot, time::Instant};

use crate::background::{Alarm, BackgroundTask};
use crate::parameters::{
    audited_client::AuditedClient,
    batch::{
        requests::{ReadReply, ReadRequest},
        shared::Shared,
        wait_for_call,
    },
    port::ParameterApi,
};

/// Makes the reads of one identity. Stops when dropped.
pub(crate) struct Batcher<A> {
    shared: Arc<Shared<A>>,
    _scheduler: BackgroundTask,
}

impl<A: ParameterApi> Batcher<A> {
    /// Starts the scheduler. Raises `alarm` if it ends.
    pub(crate) fn start(client: Arc<AuditedClient<A>>, alarm: &Alarm) -> Self {
        let shared = Arc::new(Shared::new(client));
        let scheduler = wait_for_call::run(Arc::clone(&shared));
        Self { _scheduler: BackgroundTask::spawn("makes the reads of parameters", alarm, scheduler), shared }
    }

    /// Requests a name. The reply comes through the receiver; dropping it cancels the request.
    pub(crate) fn request(&self, request: ReadRequest) -> oneshot::Receiver<ReadReply> {
        let (reply, receiver) = oneshot::channel();
        if self.shared.state().request(request, reply, Instant::now()) {
            self.shared.added.notify_one();
        }
        receiver
    }

    /// Notes that the version which Parameter Store decrypted in place of KMS is the one that is known now.
    pub(crate) fn confirm_fallback(&self, arn: &str) {
        self.shared.state().fallbacks.confirm(arn, Instant::now());
    }

    /// Reports whether values are requested, or were a moment ago.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.state().is_busy(Instant::now())
    }
}
