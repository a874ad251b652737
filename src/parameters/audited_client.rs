//! The AWS client of one identity in one region. Every call takes a token of its rate limit and leaves an audit record.
//!
//! A call holds its [`CallPermit`](crate::parameters::quota::admission::CallPermit) until it is recorded, so that
//! [`Quotas::close`](crate::parameters::quota::quotas::Quotas::close) returns only after the last record is written.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

use crate::domain::{
    audit::{Access, ApiCall, AuditRecord, AuditSink, ObjectRef, ParameterOutcome, Principal, Resource},
    aws_error::{AwsError, AwsErrorKind, Denial},
    parameter::{
        key::{KeyState, key_arn},
        name::ParameterRef,
        path_query::PathQuery,
        revision::Metadata,
        scope::Scope,
    },
    schedule::decide::Purpose,
};
use crate::parameters::{
    audit_room::wait_for_room,
    key_states::KeyStates,
    outcome::failed,
    port::{Attempt, Ciphertext, DescribeParametersPage, GetParametersByPathPage, ParameterApi, Plaintext},
    quota::{claim::Claim, priority::Priority, quotas::RateLimits},
    random,
    retry::{Attempts, Retry},
};

/// Calls AWS as one identity in one region.
pub(crate) struct AuditedClient<A> {
    pub(crate) api: A,
    pub(crate) principal: Principal,
    pub(crate) rate_limits: Arc<RateLimits>,
    pub(crate) audit_sink: Arc<dyn AuditSink>,
    key_states: Mutex<KeyStates>,
    /// Held across `DescribeKey`: of several callers that ask about one key, the first makes the call.
    describe_key: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl<A: ParameterApi> AuditedClient<A> {
    /// Returns a client that calls AWS as `principal`.
    pub(crate) fn new(
        api: A,
        principal: Principal,
        rate_limits: Arc<RateLimits>,
        audit_sink: Arc<dyn AuditSink>,
    ) -> Self {
        let (key_states, describe_key) = (Mutex::default(), Mutex::default());
        Self { api, principal, rate_limits, audit_sink, key_states, describe_key }
    }

    /// Writes the audit record of a call. Returns the id of the record.
    pub(crate) fn record(&self, call: &ApiCall, outcomes: Vec<ParameterOutcome>, objects: Vec<ObjectRef>) -> String {
        let id = random::id();
        self.audit_sink.record_call(&AuditRecord::new(id.clone(), call, Some(&self.principal), outcomes, objects));
        id
    }

    /// Returns what KMS says of a key, or said within the last five minutes. `None` if the call fails. `failure` is
    /// the error that the key caused, or empty: the key is described again when the error is not the same as before.
    pub(crate) async fn key_state(
        self: &Arc<Self>,
        key: &str,
        failure: &str,
        objects: &[ObjectRef],
    ) -> Option<KeyState> {
        let lock = self.lock_of(key);
        let _only_one = lock.lock().await;
        if let Some(described) = self.key_states.lock().recent(key, failure, Instant::now()) {
            return described.state.clone();
        }
        wait_for_room(&*self.audit_sink).await;
        let permit = self.rate_limits.kms.acquire(Claim::of_objects(Priority::Sweep, objects)).await;
        let objects: Vec<_> = objects.iter().map(|object| object.with_purpose(Purpose::KeyState)).collect();
        let (client, key_id) = (Arc::clone(self), key.to_owned());
        let state = run_to_end(async move {
            let Attempt { mut call, result } = client.api.describe_key(&key_id).await;
            let named = |error: &AwsError| key_arn(&error.message).or_else(|| key_arn(&key_id)).map(Resource::key);
            let key = result.as_ref().map_or_else(named, |state| Some(Resource::key(&state.arn)));
            call.resources = key.into_iter().collect();
            client.record(&call, Vec::new(), objects);
            drop(permit);
            result.ok()
        })
        .await;
        self.key_states.lock().insert(key, failure, state.as_ref(), Instant::now());
        state
    }

    fn lock_of(&self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.describe_key.lock();
        // Locks that nobody holds or waits for are removed, so that the map stays small.
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        locks.entry(key.to_owned()).or_default().clone()
    }

    /// Reports whether a call of `DescribeKey` was made for a key.
    pub(crate) fn is_key_described(&self, key: &str) -> bool {
        self.key_states.lock().is_described(key)
    }

    /// Returns the last known state of a key, however old.
    pub(crate) fn last_key_state(&self, key: &str) -> Option<KeyState> {
        self.key_states.lock().last(key)
    }

    /// Forgets the state of a key that turned out to be wrong.
    pub(crate) fn forget_key_state(&self, key: &str) {
        self.key_states.lock().remove(key);
    }

    /// Asks KMS about the key that made a call fail, to explain the failure. `None` if the call failed for another
    /// reason, or if KMS does not describe the key.
    pub(crate) async fn unavailable_key(self: &Arc<Self>, error: &AwsError, objects: &[ObjectRef]) -> Option<KeyState> {
        let arn = key_arn(&error.message).filter(|_| error.kind == AwsErrorKind::KeyUnavailable)?;
        self.key_state(arn, error.stable_message(), objects).await
    }

    /// Makes one attempt of `DescribeParameters`.
    ///
    /// # Errors
    /// The error of the call.
    pub(crate) async fn describe_parameters(
        self: &Arc<Self>,
        names: &[String],
        next_token: Option<&str>,
        priority: Priority,
        objects: Vec<ObjectRef>,
    ) -> Result<DescribeParametersPage, AwsError> {
        wait_for_room(&*self.audit_sink).await;
        let permit = self.rate_limits.descriptions.acquire(Claim::of_objects(priority, &objects)).await;
        let (client, names, next_token) = (Arc::clone(self), names.to_vec(), next_token.map(str::to_owned));
        run_to_end(async move {
            let Attempt { call, result } = client.api.describe_parameters(&names, next_token.as_deref()).await;
            client.record(&call, Vec::new(), objects);
            drop(permit);
            if is_throttled(&result) {
                client.rate_limits.descriptions.throttled();
            }
            result
        })
        .await
    }

    /// Makes one attempt of `GetParametersByPath`, on behalf of these claims.
    pub(crate) async fn get_parameters_by_path(
        self: &Arc<Self>,
        query: &PathQuery,
        next_token: Option<&str>,
        claims: Vec<Claim>,
        objects: Vec<ObjectRef>,
    ) -> (Result<GetParametersByPathPage, AwsError>, Access) {
        wait_for_room(&*self.audit_sink).await;
        let permit = self.rate_limits.parameters.acquire(claims).await;
        let (client, query, next_token) = (Arc::clone(self), query.clone(), next_token.map(str::to_owned));
        run_to_end(async move {
            let Attempt { mut call, result } = client.api.get_parameters_by_path(&query, next_token.as_deref()).await;
            let path = query.parameter_ref(&Scope::of(&client.principal, client.api.region()));
            call.resources = vec![Resource::parameter(&path.arn)];
            let outcome = if result.is_ok() { "Read" } else { "Failed" };
            let outcome = ParameterOutcome { outcome, ..failed(&path) };
            if is_throttled(&result) {
                client.rate_limits.parameters.throttled();
            }
            let audit_id = client.record(&call, vec![outcome.clone()], objects);
            let access = access(call, audit_id, outcome, false, result.is_err());
            drop(permit);
            (result, access)
        })
        .await
    }

    /// Calls KMS `Decrypt` for the value of a parameter, and retries as the policy allows. Returns the last result, and
    /// the last attempt as an access.
    pub(crate) async fn decrypt(
        &self,
        parameter_ref: &ParameterRef,
        metadata: &Metadata,
        ciphertext: Ciphertext<'_>,
        objects: &[ObjectRef],
    ) -> (Result<Plaintext, AwsError>, Access) {
        let mut attempts = Attempts::new(Instant::now());
        loop {
            let (result, access) = self.decrypt_once(parameter_ref, metadata, ciphertext, objects).await;
            let Err(error) = &result else { return (result, access) };
            if error.kind == AwsErrorKind::Throttled {
                self.rate_limits.kms.throttled();
            }
            match attempts.failed(error.kind, Instant::now()) {
                Retry::After(delay) => sleep(delay).await,
                Retry::GiveUp => return (result, access),
            }
        }
    }

    async fn decrypt_once(
        &self,
        parameter_ref: &ParameterRef,
        metadata: &Metadata,
        ciphertext: Ciphertext<'_>,
        objects: &[ObjectRef],
    ) -> (Result<Plaintext, AwsError>, Access) {
        wait_for_room(&*self.audit_sink).await;
        let permit = self.rate_limits.kms.acquire(Claim::of_objects(Priority::New, objects)).await;
        let Attempt { mut call, result } = self.api.decrypt(ciphertext).await;
        let key = match &result {
            Ok(plaintext) => plaintext.key.as_deref(),
            Err(error) => Denial::parse(&error.message).resource.or_else(|| key_arn(&error.message)),
        };
        call.resources = key.map(Resource::key).into_iter().collect();
        let outcome = ParameterOutcome {
            version: Some(metadata.version).filter(|_| result.is_ok()),
            outcome: if result.is_ok() { "Decrypted" } else { "Failed" },
            type_: Some(metadata.type_.to_string()),
            key: key.map(str::to_owned),
            ..failed(parameter_ref)
        };
        let audit_id = self.record(&call, vec![outcome.clone()], objects.to_vec());
        let access = access(call, audit_id, outcome, true, result.is_err());
        drop(permit);
        (result, access)
    }
}

/// Returns a call for one parameter or path as an access.
fn access(call: ApiCall, audit_id: String, outcome: ParameterOutcome, decrypting: bool, failed: bool) -> Access {
    Access {
        event_name: call.event_name,
        request_id: call.request_id,
        audit_id,
        time: call.event_time,
        decrypting,
        parameters: vec![outcome],
        failed,
    }
}

fn is_throttled<T>(result: &Result<T, AwsError>) -> bool {
    result.as_ref().is_err_and(|error| error.kind == AwsErrorKind::Throttled)
}

/// Makes a call and records it even if the caller stops waiting: AWS carries the call out all the same.
async fn run_to_end<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(call).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down.
        Err(_) => std::future::pending().await,
    }
}
