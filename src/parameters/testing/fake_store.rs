//! A Parameter Store in memory, with faults and a log of calls. Its API is in `fake_api`.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Weak},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use k8s_openapi::jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::domain::{
    audit::{AuditRecord, AuditSink, SecretWrite},
    aws_error::{AwsError, AwsErrorKind},
    parameter::name::ParameterRef,
};
use crate::parameters::{
    port::{Parameter, ReadMode},
    testing::names::{KEY, PRINCIPAL, name_without_selector, parameter_ref},
};

/// First characters of KMS ciphertext.
pub(crate) const KMS_PREFIX: &str = "\u{1}\u{1}\u{2}\u{0}x";

/// A call as the service saw it.
#[derive(Clone, Debug)]
pub(crate) struct LoggedCall {
    pub(crate) at: Instant,
    pub(crate) names: Vec<String>,
    pub(crate) decrypt: bool,
    pub(crate) failed: bool,
}

#[derive(Default)]
pub(crate) struct State {
    /// Per name the versions, each with its labels. Version 1 first.
    pub(crate) versions: BTreeMap<String, Vec<BTreeSet<String>>>,
    /// Number of deletions of a name. What is written after one is newer.
    deleted: BTreeMap<String, i64>,
    /// Names that make every call fail.
    pub(crate) denied: BTreeSet<String>,
    /// Names that make every decrypting call fail.
    pub(crate) bad_keys: BTreeSet<String>,
    /// Names that make every call fail as if AWS were out.
    pub(crate) failing: BTreeSet<String>,
    /// Names that bring a bug to light.
    pub(crate) panicking: BTreeSet<String>,
    /// Names that answers leave out without saying that they do not exist.
    pub(crate) left_out: BTreeSet<String>,
    /// Names of which answers show an older version, as a replica that is behind does.
    pub(crate) stale: BTreeMap<String, usize>,
    /// Length of stored values, where it matters.
    pub(crate) sizes: BTreeMap<String, usize>,
    /// All calls fail.
    pub(crate) outage: bool,
    /// Calls a second before throttling begins.
    pub(crate) limit: Option<usize>,
    /// Delay of every response of KMS `Decrypt`.
    pub(crate) kms_latency: Duration,
    /// Delay of every response of Parameter Store.
    pub(crate) latency: Duration,
    /// Errors of the next calls, before anything else is considered.
    pub(crate) script: VecDeque<Option<AwsErrorKind>>,
    pub(crate) calls: Vec<LoggedCall>,
    /// Number of `DescribeKey` calls.
    pub(crate) described: usize,
    /// Names whose keys AWS manages: KMS does not decrypt by them directly.
    pub(crate) managed_keys: BTreeSet<String>,
    /// Names of the advanced tier.
    pub(crate) advanced: BTreeSet<String>,
    /// State of the key. `Enabled` if it is not set.
    pub(crate) described_as: Option<&'static str>,
    /// `DescribeParameters` is denied.
    pub(crate) may_not_describe: bool,
    /// Names in each call of `DescribeParameters`.
    pub(crate) descriptions: Vec<Vec<String>>,
    /// Parameters that KMS decrypted directly, or refused to.
    pub(crate) decrypted: Vec<String>,
    /// Paths that were listed, a page each.
    pub(crate) listed: Vec<String>,
    /// Whether the audit stream asks calls to wait.
    pub(crate) is_audit_congested: bool,
    audited: usize,
    values: Vec<Weak<SecretString>>,
}

/// The service. Clones share their state.
#[derive(Clone, Default)]
pub(crate) struct FakeStore(Arc<Mutex<State>>);

impl FakeStore {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Writes the next version of a parameter.
    pub(crate) fn write(&self, name: &str) {
        self.state().versions.entry(name.to_owned()).or_default().push(BTreeSet::new());
    }

    /// Writes the first version of `/0000`, `/0001` and so on.
    pub(crate) fn write_many(&self, count: usize) -> Vec<ParameterRef> {
        let names: Vec<_> = (0..count).map(|number| format!("/{number:04}")).collect();
        for name in &names {
            self.write(name);
        }
        names.iter().map(|name| parameter_ref(name)).collect()
    }

    /// Puts a label on the newest version.
    pub(crate) fn label(&self, name: &str, label: &str) {
        let mut state = self.state();
        let versions = state.versions.get_mut(name).expect("it exists");
        for labels in versions.iter_mut() {
            labels.remove(label);
        }
        versions.last_mut().expect("has a version").insert(label.to_owned());
    }

    pub(crate) fn delete(&self, name: &str) {
        let mut state = self.state();
        state.versions.remove(name);
        *state.deleted.entry(name.to_owned()).or_default() += 1;
    }

    /// The calls so far; forgets them.
    pub(crate) fn calls(&self) -> Vec<LoggedCall> {
        std::mem::take(&mut self.state().calls)
    }

    /// Values that are still in memory.
    pub(crate) fn values_alive(&self) -> usize {
        self.state().values.iter().filter(|value| value.upgrade().is_some()).count()
    }

    /// How many calls of Parameter Store and KMS were audited.
    pub(crate) fn audited(&self) -> usize {
        self.state().audited
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.state().versions.contains_key(name)
    }

    /// Version and time of what is selected, if it exists.
    pub(crate) fn newest(&self, parameter_ref: &ParameterRef) -> Option<(i64, Option<Timestamp>)> {
        let parameter = self.state().find(&parameter_ref.request_name(), ReadMode::Version)?;
        Some((parameter.version, parameter.last_modified))
    }
}

/// What an answer says of a name.
pub(crate) enum Answer {
    Found(Parameter),
    Absent,
    LeftOut,
}

impl State {
    pub(crate) fn answer(&mut self, requested: &str, mode: ReadMode) -> Answer {
        if self.left_out.contains(&name_without_selector(requested)) {
            return Answer::LeftOut;
        }
        self.find(requested, mode).map_or(Answer::Absent, Answer::Found)
    }

    pub(crate) fn find(&mut self, requested: &str, mode: ReadMode) -> Option<Parameter> {
        let name = name_without_selector(requested);
        let versions = self.versions.get(&name)?;
        let index = match selector(requested) {
            None => versions.len() - 1 - self.stale.get(&name).copied().unwrap_or_default(),
            Some(selector) => match selector.parse::<usize>() {
                Ok(version) => (version - 1 < versions.len()).then_some(version - 1)?,
                Err(_) => versions.iter().position(|labels| labels.contains(selector))?,
            },
        };
        let version = i64::try_from(index).expect("few versions") + 1;
        let age = self.deleted.get(&name).copied().unwrap_or_default() * 1_000 + version;
        let value = match mode {
            ReadMode::Version => None,
            ReadMode::Decrypt => Some(format!("{name}#{version}")),
            // Begins as KMS' own ciphertext does, or as an envelope.
            ReadMode::Ciphertext if self.advanced.contains(&name) => {
                Some(BASE64.encode(format!("\u{2}\u{5}x{name}#{version}")))
            }
            ReadMode::Ciphertext => Some(BASE64.encode(format!("{KMS_PREFIX}{name}#{version}"))),
        };
        let value = value.map(|value| Arc::new(SecretString::from(value)));
        self.values.extend(value.as_ref().map(Arc::downgrade));
        let stored_size = self.sizes.get(&name).copied().unwrap_or_default();
        Some(Parameter {
            arn: parameter_ref(&name).arn.to_string(),
            name,
            version,
            type_: "SecureString".into(),
            last_modified: Timestamp::from_second(age).ok(),
            stored_size,
            value,
            key: None,
            secret_version: None,
        })
    }

    /// Why a call as a whole fails, if it does.
    pub(crate) fn failure(&mut self, names: &[String], decrypt: bool, is_throttled: bool) -> Option<AwsError> {
        let first = |poisoned: &BTreeSet<String>| {
            names.iter().map(|name| name_without_selector(name)).find(|n| poisoned.contains(n))
        };
        let error = |kind, message| Some(AwsError { kind, code: Some("Code".into()), message, request_id: None });
        if let Some(Some(kind)) = self.script.pop_front() {
            return error(kind, "scripted".into());
        }
        if self.outage {
            return error(AwsErrorKind::ServiceUnavailable, "outage".into());
        }
        if first(&self.failing).is_some() {
            return error(AwsErrorKind::EndpointUnreachable, "the request timed out".into());
        }
        if is_throttled {
            return error(AwsErrorKind::Throttled, "Rate exceeded".into());
        }
        if let Some(name) = first(&self.denied) {
            let arn = &parameter_ref(&name).arn;
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

    /// Logs a call. Returns its index, and whether it is throttled.
    pub(crate) fn log(&mut self, names: &[String], decrypt: bool) -> (usize, bool) {
        let now = Instant::now();
        let is_recent = |call: &&LoggedCall| now - call.at < Duration::from_secs(1);
        let recent = self.calls.iter().rev().take_while(is_recent).filter(|call| !call.failed).count();
        self.calls.push(LoggedCall { at: now, names: names.to_vec(), decrypt, failed: false });
        (self.calls.len() - 1, self.limit.is_some_and(|limit| recent >= limit))
    }
}

impl AuditSink for FakeStore {
    fn record_call(&self, _: &AuditRecord) {
        self.state().audited += 1;
    }

    fn record_write(&self, _: &SecretWrite) {}

    fn is_congested(&self) -> bool {
        self.state().is_audit_congested
    }
}

fn selector(requested: &str) -> Option<&str> {
    requested.split_once(':').map(|(_, selector)| selector)
}
