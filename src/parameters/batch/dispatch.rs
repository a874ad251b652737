//! A call, its record, and what becomes of its names.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use crate::domain::audit::Resource;
use crate::parameters::batch::{ReadReply, Shared, locked};
use crate::{
    domain::{
        audit::{
            ApiCall,
            aws_error::{AwsError, AwsErrorKind},
        },
        parameter::{key::KeyState, name::ParameterRef},
        report::event::Access,
        schedule::decide::Purpose,
    },
    parameters::{
        CallPermit,
        audited_client::{RETRIES, RETRY_AFTER, THROTTLED_PATIENCE},
        batch::{
            match_response::{failed, match_answer, objects, outcome, split},
            queue::{QueuedName, Waiter},
        },
        port::{Call, Mode, Parameter, ParameterApi},
        read_error::ReadError,
    },
};

impl<A: ParameterApi> Shared<A> {
    pub(crate) async fn call(
        self: &Arc<Self>,
        mode: Mode,
        mut batch: Vec<QueuedName>,
        began: Instant,
        spent: CallPermit,
    ) {
        let names: Vec<_> = batch.iter().map(|item| item.parameter_ref.request_name()).collect();
        let Call { facts, result } = self.caller.api.get_parameters(&names, mode).await;
        locked(&self.in_flight).end(mode, &mut batch, began);
        let parameter_ref: Vec<_> = batch.iter().map(|item| &item.parameter_ref).collect();
        let result = result.map(|answer| match_answer(&parameter_ref, answer));
        let access = Arc::new(self.record(mode, facts, &batch, &parameter_ref, result.as_ref().ok()));
        drop(spent);
        match result {
            Ok(found) => self.answer(mode, batch, found, &access).await,
            Err(error) => self.refused(mode, batch, error, &access).await,
        }
    }

    /// Audits a call.
    fn record(
        &self,
        mode: Mode,
        mut facts: ApiCall,
        batch: &[QueuedName],
        asked: &[&ParameterRef],
        found: Option<&Vec<Option<Parameter>>>,
    ) -> Access {
        facts.resources = asked.iter().map(|parameter_ref| Resource::parameter(&parameter_ref.arn)).collect();
        let decrypts = mode == Mode::Decrypt;
        let outcomes: Vec<_> = match found {
            Some(found) => asked
                .iter()
                .zip(found)
                .map(|(parameter_ref, found)| outcome(parameter_ref, found.as_ref(), decrypts))
                .collect(),
            None => asked.iter().map(|parameter_ref| failed(parameter_ref)).collect(),
        };
        let mut objects = objects(batch);
        if mode == Mode::Look {
            for object in &mut objects {
                *object = object.with_purpose(Purpose::VersionCheck);
            }
        }
        let audit_id = self.caller.record(&facts, outcomes.clone(), objects);
        Access {
            event_name: facts.event_name,
            request_id: facts.request_id,
            audit_id,
            time: facts.event_time,
            decrypting: decrypts,
            parameters: outcomes,
            failed: found.is_none(),
        }
    }

    /// Hands out what was found. Of names with a version or label that were not, the base name decides whether it is
    /// the parameter or the version that is missing: asked without decryption, so that no other IAM action is needed.
    async fn answer(
        self: &Arc<Self>,
        mode: Mode,
        batch: Vec<QueuedName>,
        found: Vec<Option<Parameter>>,
        access: &Arc<Access>,
    ) {
        let (mut unclear, mut encrypted) = (Vec::new(), Vec::new());
        for (item, found) in batch.into_iter().zip(found) {
            self.pending(mode).set_apart(&item.parameter_ref, false);
            let is_needed = item.waiters.iter().any(|waiter| !waiter.optional);
            match found {
                None if item.parameter_ref.selector.is_some() && is_needed => unclear.push(item),
                None => item.deliver(&Err(ReadError::NotFound), std::slice::from_ref(access)),
                Some(found) if mode == Mode::Direct && found.is_encrypted() => encrypted.push((item, found)),
                Some(found) => item.deliver(&Ok(Some(Arc::new(found))), std::slice::from_ref(access)),
            }
        }
        self.decrypt_all(encrypted, access).await;
        // Secrets of Secrets Manager cannot be asked for without being decrypted, others are not decrypted for this.
        let (references, others): (Vec<_>, Vec<_>) =
            unclear.into_iter().partition(|item| item.parameter_ref.is_reference());
        for (look, unclear) in [(Mode::Decrypt, references), (Mode::Look, others)] {
            if !unclear.is_empty() {
                self.tell_what_is_missing((mode, look), unclear, access).await;
            }
        }
    }

    async fn tell_what_is_missing(
        self: &Arc<Self>,
        (mode, look): (Mode, Mode),
        unclear: Vec<QueuedName>,
        access: &Arc<Access>,
    ) {
        let bases: Vec<_> =
            unclear.iter().map(|item| ParameterRef { selector: None, ..item.parameter_ref.clone() }).collect();
        let names: Vec<_> = bases.iter().map(ParameterRef::request_name).collect();
        let spent = self.caller.budgets.parameters.acquire(Instant::now()).await;
        let Call { facts, result } = self.caller.api.get_parameters(&names, look).await;
        let asked: Vec<_> = bases.iter().collect();
        let result = result.map(|answer| match_answer(&asked, answer));
        let second = Arc::new(self.record(look, facts, &unclear, &asked, result.as_ref().ok()));
        drop(spent);
        let found = match result {
            Ok(found) => found,
            // Nothing is known then, least of all that the parameter does not exist.
            Err(error) => return self.refused(mode, unclear, error, &second).await,
        };
        for (item, found) in unclear.into_iter().zip(found) {
            let error = if found.is_some() { ReadError::VersionNotFound } else { ReadError::NotFound };
            item.deliver(&Err(error), &[access.clone(), second.clone()]);
        }
    }

    /// Deals with a call that failed as a whole: tries again, or finds out whose fault it was.
    async fn refused(self: &Arc<Self>, mode: Mode, batch: Vec<QueuedName>, error: AwsError, access: &Arc<Access>) {
        match error.kind {
            AwsErrorKind::Throttled => {
                self.caller.budgets.parameters.throttled();
                let is_over = |waiter: &Waiter| waiter.since.elapsed() >= THROTTLED_PATIENCE;
                let (given_up, again) = batch.into_iter().map(|item| item.divide(is_over)).unzip();
                self.ask_again(mode, again);
                Self::deliver_error(given_up, error, None, access);
            }
            AwsErrorKind::ServiceUnavailable | AwsErrorKind::EndpointUnreachable => {
                let (mut again, given_up): (Vec<_>, Vec<_>) =
                    batch.into_iter().partition(|item| item.attempts < RETRIES);
                if !again.is_empty() {
                    for item in &mut again {
                        item.attempts += 1;
                    }
                    sleep(RETRY_AFTER).await;
                    self.ask_again(mode, again);
                }
                Self::deliver_error(given_up, error, None, access);
            }
            AwsErrorKind::CredentialsInvalid => Self::deliver_error(batch, error, None, access),
            _ if batch.len() > 1 => {
                let [first, second] = split(batch, &error);
                let mut pending = self.pending(mode);
                pending.add_part(first);
                pending.add_part(second);
                drop(pending);
                self.added.notify_one();
            }
            _ => {
                if let Some(culprit) = batch.first() {
                    self.pending(mode).set_apart(&culprit.parameter_ref, true);
                }
                let key = self.caller.key_in_the_way(&error, &objects(&batch)).await;
                Self::deliver_error(batch, error, key, access);
            }
        }
    }

    pub(crate) fn ask_again(&self, mode: Mode, items: Vec<QueuedName>) {
        let mut pending = self.pending(mode);
        for mut item in items {
            if item.is_wanted() {
                pending.add(item);
            }
        }
        drop(pending);
        self.added.notify_one();
    }

    pub(crate) fn deliver_error(items: Vec<QueuedName>, error: AwsError, key: Option<KeyState>, access: &Arc<Access>) {
        let error = ReadError::Call { error: Arc::new(error), key };
        for item in items {
            item.deliver(&Err(error.clone()), std::slice::from_ref(access));
        }
    }
}

impl QueuedName {
    pub(crate) fn deliver(self, result: &Result<Option<Arc<Parameter>>, ReadError>, accesses: &[Arc<Access>]) {
        for waiter in self.waiters {
            let absent = waiter.optional && matches!(result, Err(ReadError::NotFound | ReadError::VersionNotFound));
            let result = if absent { Ok(None) } else { result.clone() };
            // Whoever waited may have gone.
            let _ = waiter.reply.send(ReadReply { result, accesses: accesses.to_vec(), detour: waiter.detour });
        }
    }
}
