//! A Parameter Store in memory behind the port, with faults and a log of calls.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::domain::{
    audit::{
        ApiCall, AuditRecord, AuditSink, Principal, SecretWrite,
        aws_error::{AwsError, AwsErrorKind},
    },
    parameter::{key::KeyState, name::ParameterRef, path_query::PathQuery},
};
pub use crate::parameters::testing::bench::{
    Bench, labelled, needed, object, optional, parameter_ref, scope, subscriber, version,
};
use crate::parameters::{
    Answer, Call, Ciphertext, Description, Descriptions, Mode, Page, Parameter, ParameterApi, Plaintext,
};

mod bench;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-central-1";
const PRINCIPAL: &str = "arn:aws:sts::111122223333:assumed-role/spo/test";
/// The key of every parameter.
pub const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/0d9f";

/// How ciphertext of KMS begins.
const OPENING: &str = "\u{1}\u{1}\u{2}\u{0}x";

/// A call as the service saw it.
#[derive(Clone, Debug)]
pub struct Logged {
    pub at: Instant,
    pub names: Vec<String>,
    pub decrypt: bool,
    pub failed: bool,
}

#[derive(Default)]
pub struct State {
    /// Per name the versions, each with its labels. Version 1 first.
    versions: BTreeMap<String, Vec<BTreeSet<String>>>,
    /// How often a name was deleted: what is written after that is newer.
    deleted: BTreeMap<String, i64>,
    /// Names that make every call fail.
    pub denied: BTreeSet<String>,
    /// Names that make every decrypting call fail.
    pub bad_keys: BTreeSet<String>,
    /// Whether all calls fail.
    pub outage: bool,
    /// Calls a second that are not throttled.
    pub limit: Option<usize>,
    /// How long an answer takes.
    pub latency: Duration,
    /// What the next calls fail with, before anything else counts.
    pub script: VecDeque<Option<AwsErrorKind>>,
    calls: Vec<Logged>,
    /// How often KMS was asked about a key.
    pub described: usize,
    /// Names whose keys AWS manages: KMS does not decrypt by them directly.
    pub managed_keys: BTreeSet<String>,
    /// Names of the advanced tier.
    pub advanced: BTreeSet<String>,
    /// What KMS says of the key; `Enabled` if it was not set.
    pub described_as: Option<&'static str>,
    /// Whether `DescribeParameters` is denied.
    pub may_not_describe: bool,
    /// Names in each call of `DescribeParameters`.
    pub descriptions: Vec<Vec<String>>,
    /// Parameters that KMS decrypted directly, or refused to.
    pub decrypted: Vec<String>,
    /// Paths that were listed, a page each.
    pub listed: Vec<String>,
    audited: usize,
    values: Vec<Weak<SecretString>>,
}

/// The service. Clones share their state.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<State>>);

impl Store {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the next version of a parameter.
    pub fn write(&self, name: &str) {
        self.state().versions.entry(name.to_owned()).or_default().push(BTreeSet::new());
    }

    /// Writes the first version of `/0000`, `/0001` and so on.
    pub fn write_many(&self, count: usize) -> Vec<ParameterRef> {
        let names: Vec<_> = (0..count).map(|number| format!("/{number:04}")).collect();
        for name in &names {
            self.write(name);
        }
        names.iter().map(|name| parameter_ref(name)).collect()
    }

    /// Puts a label on the newest version.
    pub fn label(&self, name: &str, label: &str) {
        let mut state = self.state();
        let versions = state.versions.get_mut(name).expect("it exists");
        for labels in versions.iter_mut() {
            labels.remove(label);
        }
        versions.last_mut().expect("has a version").insert(label.to_owned());
    }

    pub fn delete(&self, name: &str) {
        let mut state = self.state();
        state.versions.remove(name);
        *state.deleted.entry(name.to_owned()).or_default() += 1;
    }

    /// The calls so far; forgets them.
    pub fn calls(&self) -> Vec<Logged> {
        std::mem::take(&mut self.state().calls)
    }

    /// Values that are still in memory.
    pub fn values_alive(&self) -> usize {
        self.state().values.iter().filter(|value| value.upgrade().is_some()).count()
    }

    /// How many calls of Parameter Store and KMS were audited.
    pub fn audited(&self) -> usize {
        self.state().audited
    }

    pub fn exists(&self, name: &str) -> bool {
        self.state().versions.contains_key(name)
    }

    /// Version and time of what is selected, if it exists.
    pub fn newest(&self, parameter_ref: &ParameterRef) -> Option<(i64, Option<Timestamp>)> {
        let parameter = self.state().find(&parameter_ref.request_name(), Mode::Look)?;
        Some((parameter.version, parameter.last_modified))
    }
}

impl State {
    fn find(&mut self, asked: &str, mode: Mode) -> Option<Parameter> {
        let name = base(asked);
        let versions = self.versions.get(&name)?;
        let index = match selector(asked) {
            None => versions.len() - 1,
            Some(selector) => match selector.parse::<usize>() {
                Ok(version) => (version - 1 < versions.len()).then_some(version - 1)?,
                Err(_) => versions.iter().position(|labels| labels.contains(selector))?,
            },
        };
        let version = i64::try_from(index).expect("few versions") + 1;
        let age = self.deleted.get(&name).copied().unwrap_or_default() * 1_000 + version;
        let value = match mode {
            Mode::Look => None,
            Mode::Decrypt => Some(format!("{name}#{version}")),
            // Begins as KMS' own ciphertext does, or as an envelope.
            Mode::Direct if self.advanced.contains(&name) => {
                Some(BASE64.encode(format!("\u{2}\u{5}x{name}#{version}")))
            }
            Mode::Direct => Some(BASE64.encode(format!("{OPENING}{name}#{version}"))),
        };
        let value = value.map(|value| Arc::new(SecretString::from(value)));
        self.values.extend(value.as_ref().map(Arc::downgrade));
        Some(Parameter {
            arn: parameter_ref(&name).arn,
            name,
            version,
            type_: "SecureString".into(),
            last_modified: Timestamp::from_second(age).ok(),
            value,
            key: None,
            secret_version: None,
        })
    }

    /// Why a call as a whole fails, if it does.
    fn failure(&mut self, names: &[String], decrypt: bool, is_throttled: bool) -> Option<AwsError> {
        let first = |poisoned: &BTreeSet<String>| names.iter().map(|name| base(name)).find(|n| poisoned.contains(n));
        let error = |kind, message| Some(AwsError { kind, code: Some("Code".into()), message, request_id: None });
        if let Some(Some(kind)) = self.script.pop_front() {
            return error(kind, "scripted".into());
        }
        if self.outage {
            return error(AwsErrorKind::ServiceUnavailable, "outage".into());
        }
        if is_throttled {
            return error(AwsErrorKind::Throttled, "Rate exceeded".into());
        }
        if let Some(name) = first(&self.denied) {
            let arn = parameter_ref(&name).arn;
            let message = format!(
                "User: {PRINCIPAL} is not authorized to perform: ssm:GetParameters on resource: {arn} because no \
                 identity-based policy allows the ssm:GetParameters action"
            );
            return error(AwsErrorKind::AccessDenied, message);
        }
        if decrypt && first(&self.bad_keys).is_some() {
            let message = format!("{KEY} is disabled. (Service: AWSKMS; Status Code: 400; Request ID: x; Proxy: null)");
            return error(AwsErrorKind::KeyUnavailable, message);
        }
        None
    }

    /// Notes a call. Answers with whether it is one too many.
    fn log(&mut self, names: &[String], decrypt: bool) -> (usize, bool) {
        let now = Instant::now();
        let is_recent = |call: &&Logged| now - call.at < Duration::from_secs(1);
        let recent = self.calls.iter().rev().take_while(is_recent).filter(|call| !call.failed).count();
        self.calls.push(Logged { at: now, names: names.to_vec(), decrypt, failed: false });
        (self.calls.len() - 1, self.limit.is_some_and(|limit| recent >= limit))
    }
}

impl ParameterApi for Store {
    async fn get_parameters(&self, names: &[String], mode: Mode) -> Call<Answer> {
        assert!((1..=10).contains(&names.len()), "a call for {} names", names.len());
        let parameters: BTreeSet<_> = names.iter().map(|name| base(name)).collect();
        assert_eq!(parameters.len(), names.len(), "a parameter twice in one call: {names:?}");
        let decrypt = mode == Mode::Decrypt;
        let failure = {
            let mut state = self.state();
            let (index, is_throttled) = state.log(names, decrypt);
            let failure = state.failure(names, decrypt, is_throttled);
            state.calls[index].failed = failure.is_some();
            failure
        };
        let latency = self.state().latency;
        sleep(latency).await;
        if let Some(error) = failure {
            return Call { facts: facts(Some(error.clone())), result: Err(error) };
        }
        let mut answer = Answer::default();
        // In the service's own order, which is not that of the request.
        for name in names.iter().collect::<BTreeSet<_>>().into_iter().rev() {
            match self.state().find(name, mode) {
                Some(parameter) => answer.found.push(parameter),
                None => answer.invalid.push(name.clone()),
            }
        }
        Call { facts: facts(None), result: Ok(answer) }
    }

    async fn describe_parameters(&self, names: &[String], _: Option<&str>) -> Call<Descriptions> {
        let mut state = self.state();
        state.descriptions.push(names.to_vec());
        if state.may_not_describe {
            let (kind, message) = (AwsErrorKind::AccessDenied, "ssm:DescribeParameters".into());
            let error = AwsError { kind, code: Some("AccessDeniedException".into()), message, request_id: None };
            return Call { facts: facts(Some(error.clone())), result: Err(error) };
        }
        let found = names.iter().filter_map(|name| state.find(name, Mode::Look)).collect::<Vec<_>>();
        let found = found.into_iter().map(|p| Description { arn: p.arn, version: p.version, key_id: Some(KEY.into()) });
        Call { facts: facts(None), result: Ok(Descriptions { found: found.collect(), next: None }) }
    }

    async fn get_parameters_by_path(&self, listing: &PathQuery, page: Option<&str>) -> Call<Page> {
        self.state().listed.push(listing.path.clone());
        let latency = self.state().latency;
        sleep(latency).await;
        let mut state = self.state();
        if let Some(error) = state.failure(std::slice::from_ref(&listing.path), false, false) {
            return Call { facts: facts(Some(error.clone())), result: Err(error) };
        }
        let below: Vec<_> = state.versions.keys().filter(|name| listing.relative(name).is_some()).cloned().collect();
        let begin: usize = page.map_or(0, |page| page.parse().expect("a page of ours"));
        let asked = |name: &String| listing.label.iter().fold(name.clone(), |name, label| format!("{name}:{label}"));
        let names: Vec<_> = below.iter().skip(begin).take(10).map(asked).collect();
        let found = names.iter().filter_map(|name| state.find(name, Mode::Look)).collect();
        let next = (begin + 10 < below.len()).then(|| (begin + 10).to_string());
        Call { facts: facts(None), result: Ok(Page { found, next }) }
    }

    async fn decrypt(&self, ciphertext: Ciphertext<'_>) -> Call<Plaintext> {
        let text = std::str::from_utf8(ciphertext.blob).expect("text").trim_start_matches(OPENING).to_owned();
        let name = text.split('#').next().unwrap_or_default().to_owned();
        assert_eq!(ciphertext.context.get("PARAMETER_ARN"), Some(&parameter_ref(&name).arn), "bound to its parameter");
        let mut state = self.state();
        state.decrypted.push(name.clone());
        let error = |kind, message: String| AwsError { kind, code: Some("Code".into()), message, request_id: None };
        let failure = if state.bad_keys.contains(&name) {
            Some(error(AwsErrorKind::KeyUnavailable, format!("{KEY} is disabled.")))
        } else if state.managed_keys.contains(&name) {
            Some(error(
                AwsErrorKind::DecryptDenied,
                format!("not authorized to perform: kms:Decrypt on resource: {KEY}"),
            ))
        } else {
            None
        };
        if let Some(error) = failure {
            return Call { facts: facts(Some(error.clone())), result: Err(error) };
        }
        let plaintext = Plaintext { value: text.into_bytes().into(), key: Some(KEY.into()) };
        Call { facts: facts(None), result: Ok(plaintext) }
    }

    async fn describe_key(&self, key: &str) -> Call<KeyState> {
        let mut state = self.state();
        state.described += 1;
        let manager = if state.managed_keys.is_empty() { "CUSTOMER" } else { "AWS" };
        let described = KeyState {
            arn: key.to_owned(),
            manager: Some(manager.into()),
            state: state.described_as.unwrap_or("Enabled").into(),
            deletion_date: None,
        };
        Call { facts: facts(None), result: Ok(described) }
    }

    async fn get_caller_identity(&self) -> Call<Principal> {
        let principal = Principal { arn: PRINCIPAL.into(), account: ACCOUNT.into(), user_id: "AROA:test".into() };
        Call { facts: facts(None), result: Ok(principal) }
    }

    fn region(&self) -> &'static str {
        REGION
    }
}

impl AuditSink for Store {
    fn record_call(&self, _: &AuditRecord) {
        self.state().audited += 1;
    }

    fn record_write(&self, _: &SecretWrite) {}
}

fn facts(error: Option<AwsError>) -> ApiCall {
    ApiCall {
        event_source: "ssm.amazonaws.com",
        event_name: "GetParameters",
        region: REGION.into(),
        request_parameters: Value::Null,
        resources: Vec::new(),
        request_id: Some("request".into()),
        event_time: Timestamp::UNIX_EPOCH,
        answered: true,
        user_agent: None,
        access_key_id: None,
        error,
        session: None,
    }
}

/// The name without a selector.
pub fn base(asked: &str) -> String {
    asked.split(':').next().unwrap_or_default().to_owned()
}

fn selector(asked: &str) -> Option<&str> {
    asked.split_once(':').map(|(_, selector)| selector)
}
