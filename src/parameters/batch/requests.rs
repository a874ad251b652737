//! A request for one name, those who wait for its reply, and the reply.

use std::sync::Arc;

use tokio::{sync::oneshot, time::Instant};

use crate::domain::{
    audit::{Access, ObjectRef},
    aws_error::AwsError,
    parameter::{key::KeyState, name::ParameterRef, revision::Metadata},
};
use crate::parameters::{
    batch::ssm_fallback::SsmFallback,
    port::{Parameter, ReadMode},
    quota::{claim::Claim, priority::Priority},
    read_error::ReadError,
};

/// A request for one name.
pub(crate) struct ReadRequest {
    /// The name.
    pub(crate) parameter_ref: ParameterRef,
    /// What to read of it.
    pub(crate) mode: ReadMode,
    /// Whether the parameter may be absent.
    pub(crate) optional: bool,
    /// On whose behalf, and how urgently.
    pub(crate) claims: Vec<Claim>,
    /// The objects that ask, for the audit.
    pub(crate) objects: Vec<ObjectRef>,
    /// The reply of a call in flight is recent enough if the call began at this time or later. `None`: only the reply
    /// of a call that has not begun yet.
    pub(crate) not_before: Option<Instant>,
    /// When a change of the parameter was last observed.
    pub(crate) changed_at: Option<Instant>,
}

impl ReadRequest {
    /// Returns a request for the version of a parameter that must exist, on behalf of the namespaces of these objects.
    pub(crate) fn version(parameter_ref: ParameterRef, priority: Priority, objects: Vec<ObjectRef>) -> Self {
        Self {
            parameter_ref,
            mode: ReadMode::Version,
            optional: false,
            claims: Claim::of_objects(priority, &objects),
            objects,
            not_before: None,
            changed_at: None,
        }
    }
}

/// The parameter, or why it could not be read. `Ok(None)` if it is optional and does not exist.
pub(crate) type ReadResult = Result<Option<Arc<Parameter>>, ReadError>;

/// The reply to a request.
#[derive(Clone, Debug)]
pub(crate) struct ReadReply {
    /// The result.
    pub(crate) result: ReadResult,
    /// The calls that were made for it. The last one decided the result.
    pub(crate) accesses: Vec<Arc<Access>>,
    /// Why Parameter Store decrypted the value although KMS was to decrypt it.
    pub(crate) fallback: Option<SsmFallback>,
}

impl ReadReply {
    /// Returns the version, or why it is not known.
    pub(crate) fn metadata(&self) -> Result<Metadata, ReadError> {
        match &self.result {
            Ok(Some(parameter)) => Ok(parameter.metadata()),
            Ok(None) => Err(ReadError::NotFound),
            Err(error) => Err(error.clone()),
        }
    }
}

/// One request that waits for a name.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Takes the reply. Closed if the requester has stopped waiting.
    pub(crate) reply: oneshot::Sender<ReadReply>,
    /// The objects that ask, for the audit.
    pub(crate) objects: Vec<ObjectRef>,
    /// Whether the parameter may be absent.
    pub(crate) optional: bool,
    /// Since when it waits.
    pub(crate) since: Instant,
    /// Why it waits for Parameter Store instead of KMS.
    pub(crate) fallback: Option<SsmFallback>,
}

/// A name that waits for its call, with all who wait for it.
#[derive(Debug)]
pub(crate) struct QueuedName {
    /// The name.
    pub(crate) parameter_ref: ParameterRef,
    /// Those who wait for it.
    pub(crate) waiters: Vec<Waiter>,
    /// How many of its calls have failed. Throttled calls do not count.
    pub(crate) failures: u32,
    /// Since when the first of them waits.
    pub(crate) since: Instant,
    /// The claims of all of them.
    pub(crate) claims: Vec<Claim>,
}

impl QueuedName {
    /// Returns a name with one waiter.
    pub(crate) fn new(parameter_ref: ParameterRef, waiter: Waiter, claims: Vec<Claim>) -> Self {
        let since = waiter.since;
        Self { parameter_ref, waiters: vec![waiter], failures: 0, since, claims }
    }

    /// Divides the waiters into those that `is_meant` and the others. Either part may have no waiters.
    pub(crate) fn divide(mut self, is_meant: impl Fn(&Waiter) -> bool) -> (Self, Self) {
        let (meant, others): (Vec<_>, Vec<_>) = self.waiters.drain(..).partition(is_meant);
        let since = others.iter().map(|waiter| waiter.since).min().unwrap_or(self.since);
        let (parameter_ref, claims) = (self.parameter_ref.clone(), self.claims.clone());
        (Self { waiters: meant, parameter_ref, claims, ..self }, Self { waiters: others, since, ..self })
    }

    /// Removes the waiters that have stopped waiting. Reports whether any are left.
    pub(crate) fn is_awaited(&mut self) -> bool {
        self.waiters.retain(|waiter| !waiter.reply.is_closed());
        !self.waiters.is_empty()
    }

    /// Sends a result to all waiters.
    pub(crate) fn deliver(self, result: &ReadResult, accesses: &[Arc<Access>]) {
        for waiter in self.waiters {
            let is_optional_absence = waiter.optional && result.as_ref().is_err_and(ReadError::is_absence);
            let result = if is_optional_absence { Ok(None) } else { result.clone() };
            // Fails if the requester has stopped waiting.
            let _ = waiter.reply.send(ReadReply { result, accesses: accesses.to_vec(), fallback: waiter.fallback });
        }
    }
}

/// Sends the error of a failed call to all who wait for these names.
pub(crate) fn deliver_error(names: Vec<QueuedName>, error: AwsError, key: Option<KeyState>, access: &Arc<Access>) {
    let error = ReadError::Call { error: Arc::new(error), key: key.map(Box::new) };
    for name in names {
        name.deliver(&Err(error.clone()), std::slice::from_ref(access));
    }
}
