//! One who calls AWS: an identity in a region, its budgets, and the record that every call leaves.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use secrecy::SecretString;
use tokio::time::Instant;

use super::{
    Budgets,
    port::{Call, Descriptions, ParameterApi, Plaintext},
};
use crate::domain::{
    audit::{AuditRecord, CallFacts, ObjectRef, ParameterOutcome, Principal, Resource, Trail},
    aws_error::{AwsError, AwsErrorKind, Denial},
    decide::Purpose,
    event::Access,
    key::{KeyState, key_arn},
    parameter::Wanted,
};

/// How long what KMS said of a key counts.
const KEY_STATE_COUNTS: Duration = Duration::from_secs(300);

/// Calls AWS as one identity in one region.
pub struct Caller<A> {
    pub api: A,
    pub principal: Principal,
    pub budgets: Arc<Budgets>,
    pub trail: Arc<dyn Trail>,
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

impl<A: ParameterApi> Caller<A> {
    /// Calls as `principal`.
    pub fn new(api: A, principal: Principal, budgets: Arc<Budgets>, trail: Arc<dyn Trail>) -> Self {
        Self { api, principal, budgets, trail, keys: Mutex::default(), describing: tokio::sync::Mutex::default() }
    }

    /// Audits a call. Answers with the id of its record.
    pub fn record(&self, facts: &CallFacts, outcomes: Vec<ParameterOutcome>, objects: Vec<ObjectRef>) -> String {
        let id = super::new_id();
        self.trail.call(&AuditRecord::new(id.clone(), facts, Some(&self.principal), outcomes, objects));
        id
    }

    /// What KMS says of a key, at most five minutes ago; none if it does not say. Where another failure `because` of
    /// the key asks than did before, the answer may be another too.
    pub async fn key_state(&self, key: &str, because: &str, objects: &[ObjectRef]) -> Option<KeyState> {
        let _turn = self.describing.lock().await;
        let counts = |described: &&Described| {
            described.at.elapsed() < KEY_STATE_COUNTS && (because.is_empty() || described.because == because)
        };
        if let Some(described) = self.keys().get(key).filter(counts) {
            return described.state.clone();
        }
        self.budgets.keys.acquire(Instant::now()).await;
        let Call { mut facts, result } = self.api.describe_key(key).await;
        let arn =
            result.as_ref().map_or_else(|error| key_arn(&error.message).or_else(|| key_arn(key)), |s| Some(&s.arn));
        facts.resources = arn.map(Resource::key).into_iter().collect();
        self.record(&facts, Vec::new(), objects.iter().map(|object| object.because(Purpose::KeyState)).collect());
        let state = result.ok();
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
        &self,
        names: &[String],
        page: Option<&str>,
        objects: Vec<ObjectRef>,
    ) -> Result<Descriptions, AwsError> {
        self.budgets.descriptions.acquire(Instant::now()).await;
        let Call { facts, result } = self.api.describe_parameters(names, page).await;
        self.record(&facts, Vec::new(), objects);
        if result.as_ref().is_err_and(|error| error.kind == AwsErrorKind::Throttled) {
            self.budgets.descriptions.throttled();
        }
        result
    }

    /// Has KMS decrypt a stored value.
    pub async fn decrypt(
        &self,
        wanted: &Wanted,
        version: i64,
        ciphertext: &SecretString,
        objects: Vec<ObjectRef>,
    ) -> (Result<Plaintext, AwsError>, Access) {
        self.budgets.keys.acquire(Instant::now()).await;
        let Call { mut facts, result } = self.api.decrypt(ciphertext, &wanted.arn).await;
        let key = match &result {
            Ok(plaintext) => plaintext.key.as_deref(),
            Err(error) => Denial::parse(&error.message).resource.or_else(|| key_arn(&error.message)),
        };
        facts.resources = key.map(Resource::key).into_iter().collect();
        let outcome = ParameterOutcome {
            version: Some(version).filter(|_| result.is_ok()),
            outcome: if result.is_ok() { "Decrypted" } else { "Failed" },
            type_: Some("SecureString".to_owned()),
            key: key.map(str::to_owned),
            ..super::answer::failed(wanted)
        };
        let audit_id = self.record(&facts, vec![outcome.clone()], objects);
        let access = Access {
            event_name: facts.event_name,
            request_id: facts.request_id,
            audit_id,
            time: facts.event_time,
            decrypting: true,
            parameters: vec![outcome],
            failed: result.is_err(),
        };
        (result, access)
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, Described>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
