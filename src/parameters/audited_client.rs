//! One who calls AWS: an identity in a region, its budgets, and the record that every call leaves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::domain::{
    audit::{
        ApiCall, AuditRecord, AuditSink, ObjectRef, ParameterOutcome, Principal, Resource,
        aws_error::{AwsError, AwsErrorKind, Denial},
    },
    parameter::{
        key::{KeyState, key_arn},
        name::ParameterRef,
        path_query::PathQuery,
        scope::Scope,
    },
    report::event::Access,
    schedule::decide::Purpose,
};
use crate::parameters::{
    RateLimits,
    port::{Call, Ciphertext, Descriptions, Page, ParameterApi, Plaintext},
};

/// How long throttled calls are tried again before their object is told.
pub const THROTTLED_PATIENCE: Duration = Duration::from_secs(30);
/// How often a call is tried again after AWS failed or could not be reached.
pub const RETRIES: u32 = 1;
/// How long that waits.
pub const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How long what KMS said of a key counts.
const KEY_STATE_COUNTS: Duration = Duration::from_secs(300);

/// Calls AWS as one identity in one region.
pub struct AuditedClient<A> {
    pub api: A,
    pub principal: Principal,
    pub budgets: Arc<RateLimits>,
    pub audit_sink: Arc<dyn AuditSink>,
    keys: Mutex<HashMap<String, Described>>,
    /// One key at a time, so that whoever asks for the same finds the answer.
    describing: tokio::sync::Mutex<()>,
}

/// What KMS said of a key: nothing, if it did not answer or would not tell.
struct Described {
    at: Instant,
    because: String,
    state: Option<KeyState>,
}

impl<A: ParameterApi> AuditedClient<A> {
    /// Calls as `principal`.
    pub fn new(api: A, principal: Principal, budgets: Arc<RateLimits>, audit_sink: Arc<dyn AuditSink>) -> Self {
        Self { api, principal, budgets, audit_sink, keys: Mutex::default(), describing: tokio::sync::Mutex::default() }
    }

    /// Audits a call. Answers with the id of its record.
    pub fn record(&self, facts: &ApiCall, outcomes: Vec<ParameterOutcome>, objects: Vec<ObjectRef>) -> String {
        let id = super::new_id();
        self.audit_sink.record_call(&AuditRecord::new(id.clone(), facts, Some(&self.principal), outcomes, objects));
        id
    }

    /// What KMS says of a key, at most five minutes ago; none if it does not say. Where another failure `because` of
    /// the key asks than did before, the answer may be another too.
    pub async fn key_state(self: &Arc<Self>, key: &str, because: &str, objects: &[ObjectRef]) -> Option<KeyState> {
        let _turn = self.describing.lock().await;
        let counts = |described: &&Described| {
            described.at.elapsed() < KEY_STATE_COUNTS && (because.is_empty() || described.because == because)
        };
        if let Some(described) = self.keys().get(key).filter(counts) {
            return described.state.clone();
        }
        let spent = self.budgets.keys.acquire(Instant::now()).await;
        let objects: Vec<_> = objects.iter().map(|object| object.with_purpose(Purpose::KeyState)).collect();
        let (caller, asked) = (Arc::clone(self), key.to_owned());
        let state = see_through(async move {
            let Call { mut facts, result } = caller.api.describe_key(&asked).await;
            let named = |error: &AwsError| key_arn(&error.message).or_else(|| key_arn(&asked)).map(Resource::key);
            let key = result.as_ref().map_or_else(named, |state| Some(Resource::key(&state.arn)));
            facts.resources = key.into_iter().collect();
            caller.record(&facts, Vec::new(), objects);
            drop(spent);
            result.ok()
        })
        .await;
        // Also under its ARN, by which errors name it.
        let names = [Some(key), state.as_ref().map(|state| state.arn.as_str())];
        for name in names.into_iter().flatten() {
            let described = Described { at: Instant::now(), because: because.to_owned(), state: state.clone() };
            self.keys().insert(name.to_owned(), described);
        }
        state
    }

    /// Whether KMS was asked about a key.
    pub fn was_asked(&self, key: &str) -> bool {
        self.keys().contains_key(key)
    }

    /// Forgets what KMS said of a key, since it turned out otherwise.
    pub fn forget_key(&self, key: &str) {
        let state = self.known_key(key);
        let mut keys = self.keys();
        keys.remove(key);
        state.map(|state| keys.remove(&state.arn));
    }

    /// What KMS said of a key last, however long ago.
    pub fn known_key(&self, key: &str) -> Option<KeyState> {
        self.keys().get(key).and_then(|described| described.state.clone())
    }

    /// One page of `DescribeParameters`.
    ///
    /// # Errors
    /// What AWS said.
    pub async fn describe_parameters(
        self: &Arc<Self>,
        names: &[String],
        page: Option<&str>,
        objects: Vec<ObjectRef>,
    ) -> Result<Descriptions, AwsError> {
        let spent = self.budgets.descriptions.acquire(Instant::now()).await;
        let (caller, names, page) = (Arc::clone(self), names.to_vec(), page.map(str::to_owned));
        see_through(async move {
            let Call { facts, result } = caller.api.describe_parameters(&names, page.as_deref()).await;
            caller.record(&facts, Vec::new(), objects);
            drop(spent);
            if result.as_ref().is_err_and(|error| error.kind == AwsErrorKind::Throttled) {
                caller.budgets.descriptions.throttled();
            }
            result
        })
        .await
    }

    /// One page of `GetParametersByPath`, on behalf of objects that want it by `deadline`.
    pub async fn list(
        self: &Arc<Self>,
        listing: &PathQuery,
        page: Option<&str>,
        deadline: Instant,
        objects: Vec<ObjectRef>,
    ) -> (Result<Page, AwsError>, Access) {
        let spent = self.budgets.parameters.acquire(deadline).await;
        let (caller, listing, page) = (Arc::clone(self), listing.clone(), page.map(str::to_owned));
        see_through(async move {
            let Call { mut facts, result } = caller.api.get_parameters_by_path(&listing, page.as_deref()).await;
            let path = listing.parameter_ref(&Scope::of(&caller.principal, caller.api.region()));
            facts.resources = vec![Resource::parameter(&path.arn)];
            let outcome = if result.is_ok() { "Read" } else { "Failed" };
            let outcome = ParameterOutcome { outcome, ..crate::parameters::batch::match_response::failed(&path) };
            if result.as_ref().is_err_and(|error| error.kind == AwsErrorKind::Throttled) {
                caller.budgets.parameters.throttled();
            }
            let access = caller.access(facts, outcome, objects, false, result.is_err());
            drop(spent);
            (result, access)
        })
        .await
    }

    /// Has KMS decrypt a value of a parameter. What passes by itself is tried again.
    pub async fn decrypt(
        &self,
        parameter_ref: &ParameterRef,
        (version, type_): (i64, &str),
        ciphertext: Ciphertext<'_>,
        objects: &[ObjectRef],
    ) -> (Result<Plaintext, AwsError>, Access) {
        let (began, mut attempts) = (Instant::now(), 0);
        loop {
            let spent = self.budgets.keys.acquire(Instant::now()).await;
            let Call { mut facts, result } = self.api.decrypt(ciphertext).await;
            let key = match &result {
                Ok(plaintext) => plaintext.key.as_deref(),
                Err(error) => Denial::parse(&error.message).resource.or_else(|| key_arn(&error.message)),
            };
            facts.resources = key.map(Resource::key).into_iter().collect();
            let outcome = ParameterOutcome {
                version: Some(version).filter(|_| result.is_ok()),
                outcome: if result.is_ok() { "Decrypted" } else { "Failed" },
                type_: Some(type_.to_owned()),
                key: key.map(str::to_owned),
                ..crate::parameters::batch::match_response::failed(parameter_ref)
            };
            let access = self.access(facts, outcome, objects.to_vec(), true, result.is_err());
            drop(spent);
            match result.as_ref().map_err(|error| error.kind) {
                Err(AwsErrorKind::Throttled) if began.elapsed() < THROTTLED_PATIENCE => self.budgets.keys.throttled(),
                Err(AwsErrorKind::ServiceUnavailable | AwsErrorKind::EndpointUnreachable) if attempts < RETRIES => {
                    attempts += 1;
                    sleep(RETRY_AFTER).await;
                }
                _ => return (result, access),
            }
        }
    }

    /// Asks KMS about the key that a failed call names, for the message; no answer is no harm.
    pub async fn key_in_the_way(self: &Arc<Self>, error: &AwsError, objects: &[ObjectRef]) -> Option<KeyState> {
        let arn = key_arn(&error.message).filter(|_| error.kind == AwsErrorKind::KeyUnavailable)?;
        self.key_state(arn, error.stable_message(), objects).await
    }

    /// Audits a call for one parameter or path.
    fn access(
        &self,
        facts: ApiCall,
        outcome: ParameterOutcome,
        objects: Vec<ObjectRef>,
        decrypting: bool,
        failed: bool,
    ) -> Access {
        let audit_id = self.record(&facts, vec![outcome.clone()], objects);
        Access {
            event_name: facts.event_name,
            request_id: facts.request_id,
            audit_id,
            time: facts.event_time,
            decrypting,
            parameters: vec![outcome],
            failed,
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, Described>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a call and records it, also if whoever asked for it gives up meanwhile: AWS carries it out all the same.
async fn see_through<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(call).await {
        Ok(answer) => answer,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The process ends.
        Err(_) => std::future::pending().await,
    }
}
