//! What a test sets up in the fake and reads from it.
//!
//! Calls of the test leave no record, need no permission and hit no fault. An impossible call panics.

mod identities;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::arn;
use super::crypto::EncryptionContext;
use super::error::Outcome;
use super::fault::Fault;
use super::iam::ResourcePolicy;
use super::kms::{self, KeyState, SECRETS_ALIAS, SSM_ALIAS};
use super::quota::Quota;
use super::ssm::{self, ParameterType, Tier};
use super::world::{Context, World};
use super::{DEFAULT_ACCOUNT, DEFAULT_REGION, FakeAws};

const WEEK_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// Options of a parameter. The default is a standard `SecureString` encrypted with `aws/ssm`.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// Key id, ARN or alias.
    pub key: Option<String>,
    /// Type.
    pub kind: ParameterType,
    /// Tier. `None` is standard, or the present tier of the parameter.
    pub tier: Option<Tier>,
    /// Account that owns it.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
}

impl FakeAws {
    fn as_test<T>(&self, act: impl FnOnce(&mut World, &Context) -> T) -> T {
        let mut world = self.inner.shared.world();
        let context = world.test_context(DEFAULT_ACCOUNT, DEFAULT_REGION);
        act(&mut world, &context)
    }

    /// Writes a `SecureString` encrypted with `aws/ssm`. Returns the version.
    pub fn put(&self, name: &str, value: &str) -> i64 {
        self.put_with(name, value, PutOptions::default())
    }

    /// Writes a parameter. Returns the version.
    pub fn put_with(&self, name: &str, value: &str, options: PutOptions) -> i64 {
        let account = options.account.as_deref().unwrap_or(DEFAULT_ACCOUNT);
        let region = options.region.as_deref().unwrap_or(DEFAULT_REGION);
        let mut world = self.inner.shared.world();
        let context = world.test_context(account, region);
        let put = ssm::Put {
            name: name.to_owned(),
            value: value.to_owned(),
            r#type: Some(options.kind),
            key_id: options.key,
            overwrite: true,
            tier: options.tier,
            ..ssm::Put::default()
        };
        must(ssm::put(&mut world, &context, put)).0
    }

    /// Adds a version to a secret of Secrets Manager, which is created if it does not exist. Returns the version id. The
    /// version becomes `AWSCURRENT`, and the one before it `AWSPREVIOUS`. Parameter Store reads it as
    /// `/aws/reference/secretsmanager/<id>`.
    pub fn put_secret(&self, id: &str, value: &str) -> String {
        self.put_secret_with_key(id, value, SECRETS_ALIAS)
    }

    /// Like [`Self::put_secret`], for a secret with a key of its own, named in any of the four forms.
    pub fn put_secret_with_key(&self, id: &str, value: &str, key: &str) -> String {
        self.with_key(key, |world, context, key| world.secrets.put(context, id, value, key.to_owned()))
    }

    /// ARN of a parameter of the default account and region.
    pub fn parameter_arn(&self, name: &str) -> String {
        arn::parameter(DEFAULT_REGION, DEFAULT_ACCOUNT, name)
    }

    /// Deletes a parameter by name or ARN. Returns false if there is none.
    pub fn delete(&self, name: &str) -> bool {
        let arn = full_arn(name);
        self.inner.shared.world().parameters.remove(&arn).is_some()
    }

    /// Attaches a label to a version, or moves it there.
    pub fn label(&self, name: &str, version: i64, label: &str) {
        let input = json!({"Name": name, "ParameterVersion": version, "Labels": [label]});
        must(self.as_test(|world, context| ssm::dispatch(world, context, "LabelParameterVersion", &input)));
    }

    /// Lets another account read an advanced parameter by its ARN. Returns false if there is no such parameter.
    pub fn share(&self, name: &str, account: &str) -> bool {
        let arn = full_arn(name);
        ssm::share(&mut self.inner.shared.world(), &arn, account)
    }

    /// Creates a customer-managed key with an alias, given with or without `alias/`. Returns its ARN.
    pub fn create_key(&self, alias: &str) -> String {
        let name = alias.strip_prefix("alias/").unwrap_or(alias);
        self.as_test(|world, context| {
            let key = world.keys.create(context, "", false);
            let alias = arn::kms(DEFAULT_REGION, DEFAULT_ACCOUNT, &format!("alias/{name}"));
            world.keys.alias(&alias, &key);
            key
        })
    }

    /// Encrypts with a key, named in any of the four forms. Returns the ciphertext in Base64, as `aws kms encrypt` prints
    /// it.
    pub fn encrypt(&self, key_id: &str, context: &[(&str, &str)], plaintext: &[u8]) -> String {
        let pairs: EncryptionContext = context.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        let plaintext = BASE64.encode(plaintext);
        let input = json!({"KeyId": key_id, "Plaintext": plaintext, "EncryptionContext": pairs});
        let reply = must(self.as_test(|world, context| kms::dispatch(world, context, "Encrypt", &input)));
        reply.into_json()["CiphertextBlob"].as_str().unwrap_or_default().to_owned()
    }

    /// Sets the state of a key, named in any of the four forms.
    pub fn set_key_state(&self, key: &str, state: KeyState) {
        self.with_key(key, |world, context, arn| {
            if let Some(key) = world.keys.get_mut(arn) {
                key.set_state(state, Some(context.now_ms + WEEK_MS));
            }
        });
    }

    /// Sets the policy of a key, named in any of the four forms. With `None`, identity policies decide alone.
    pub fn set_key_policy(&self, key: &str, policy: Option<ResourcePolicy>) {
        self.with_key(key, |world, _, arn| {
            if let Some(key) = world.keys.get_mut(arn) {
                key.policy = policy;
            }
        });
    }

    /// Deletes a key. Values that it encrypted are lost.
    pub fn remove_key(&self, key: &str) {
        self.with_key(key, |world, _, arn| world.keys.remove(arn));
    }

    /// ARN of the AWS-managed key of Parameter Store, which is created if it does not exist.
    pub fn ssm_key(&self) -> String {
        self.with_key(SSM_ALIAS, |_, _, arn| arn.to_owned())
    }

    fn with_key<T>(&self, key: &str, act: impl FnOnce(&mut World, &Context, &str) -> T) -> T {
        self.as_test(|world, context| {
            world.keys.create_on_demand(context, key);
            let arn = must(world.keys.resolve(context, key));
            act(world, context, &arn)
        })
    }

    /// Sets throughput quotas, with full buckets, or removes them.
    pub fn set_quota(&self, quota: Option<Quota>) {
        self.inner.shared.world().quotas.set(quota);
    }

    /// Delays every call by this time.
    pub fn set_latency(&self, latency: Duration) {
        self.inner.shared.world().latency = latency;
    }

    /// Sets the offset of the service's clock in seconds. Signatures allow five minutes.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.inner.shared.world().clock_offset_ms = seconds * 1000;
    }

    /// Makes the next `count` calls of an operation fail. `*` means any operation, and `usize::MAX` means until the faults
    /// are cleared. `kms:Decrypt`, `kms:Encrypt` and `kms:GenerateDataKey` are the KMS calls that Parameter Store makes.
    pub fn fault(&self, operation: &str, fault: Fault, count: usize) {
        self.fault_from(operation, 1, fault, count);
    }

    /// Like [`Self::fault`], from the n-th call on, counted from one. Every call on the wire counts, also one that a client
    /// repeats or that fails for another reason.
    pub fn fault_from(&self, operation: &str, nth: usize, fault: Fault, count: usize) {
        let passing = nth.saturating_sub(1);
        self.inner.shared.world().faults.plan(operation, passing, fault, count);
    }

    /// Removes all faults. Hanging calls continue.
    pub fn clear_faults(&self) {
        self.inner.shared.clear_faults();
    }

    /// All records so far, oldest first.
    pub fn records(&self) -> Vec<Value> {
        self.inner.shared.world().recorder.records().to_vec()
    }

    /// Removes and returns all records, each with the time when its call arrived, exact to the millisecond.
    pub fn take_records(&self) -> Vec<(Timestamp, Value)> {
        let records = self.inner.shared.world().recorder.take();
        let time = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        records.into_iter().map(|(ms, record)| (time(ms), record)).collect()
    }

    /// Removes all records and sets the counters to zero.
    pub fn clear_records(&self) {
        self.inner.shared.world().recorder.clear();
    }

    /// Number of calls of an operation on the wire, whatever their result. KMS calls of Parameter Store are not on the
    /// wire.
    pub fn calls(&self, operation: &str) -> usize {
        self.inner.shared.world().recorder.calls(operation)
    }

    /// Number of successful KMS decryptions, of direct calls and of calls of Parameter Store.
    pub fn decrypts(&self) -> usize {
        self.inner.shared.world().recorder.decrypts()
    }
}

fn full_arn(name: &str) -> String {
    if name.starts_with("arn:") { name.to_owned() } else { arn::parameter(DEFAULT_REGION, DEFAULT_ACCOUNT, name) }
}

/// Returns the value, or panics where the test made an impossible call.
fn must<T>(outcome: Outcome<T>) -> T {
    outcome.unwrap_or_else(|error| unreachable!("the test made an impossible call: {}: {}", error.code, error.message))
}
