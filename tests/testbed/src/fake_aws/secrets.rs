//! Secrets Manager, for references from Parameter Store. It is not reachable on the wire.

use std::collections::BTreeMap;

use serde_json::json;
use uuid::Uuid;

use super::arn;
use super::crypto::EncryptionContext;
use super::error::{AwsError, Outcome};
use super::kms::cipher::{self, Through};
use super::recorder::{Event, Via};
use super::world::{Context, World};

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

struct Secret {
    arn: String,
    /// ARN of its key.
    key: String,
    versions: Vec<Version>,
}

struct Version {
    id: String,
    value: String,
    created_ms: i64,
}

/// The result of `GetSecretValue`.
pub(super) struct SecretValue {
    /// ARN of the secret, with the six characters at its end.
    pub arn: String,
    /// A UUID.
    pub version_id: String,
    /// The plaintext value.
    pub value: String,
    /// Stages of this version.
    pub stages: &'static [&'static str],
    /// Creation time of the version.
    pub created_ms: i64,
}

impl Secret {
    /// The two newest versions have a stage each. Older versions have none and are found by id.
    fn stages(&self, at: usize) -> &'static [&'static str] {
        match self.versions.len() - at {
            1 => &[CURRENT],
            2 => &[PREVIOUS],
            _ => &[],
        }
    }

    /// The version with this stage or version id.
    fn select(&self, selector: &str) -> Option<SecretValue> {
        let found = |(at, version): &(usize, &Version)| version.id == selector || self.stages(*at).contains(&selector);
        let (at, version) = self.versions.iter().enumerate().find(found)?;
        Some(SecretValue {
            arn: self.arn.clone(),
            version_id: version.id.clone(),
            value: version.value.clone(),
            stages: self.stages(at),
            created_ms: version.created_ms,
        })
    }
}

/// All secrets, by their ARN without the six characters.
#[derive(Default)]
pub(super) struct Secrets {
    secrets: BTreeMap<String, Secret>,
}

impl Secrets {
    /// Adds a version, which becomes the current one. Creates the secret if it does not exist. Returns the version id. The
    /// key is that of all versions from now on.
    pub(super) fn put(&mut self, context: &Context, id: &str, value: &str, key: String) -> String {
        let base = arn::secret(&context.region, &context.caller.account, id);
        let secret = self.secrets.entry(base).or_insert_with_key(|base| {
            let random: String = Uuid::new_v4().simple().to_string().chars().take(6).collect();
            Secret { arn: format!("{base}-{random}"), key: String::new(), versions: Vec::new() }
        });
        secret.key = key;
        let version_id = Uuid::new_v4().to_string();
        let version = Version { id: version_id.clone(), value: value.to_owned(), created_ms: context.now_ms };
        secret.versions.push(version);
        version_id
    }
}

/// `GetSecretValue`, called by a service on behalf of the caller, with its own record and request id.
///
/// The decryption by KMS that Secrets Manager would make needs permission, and is neither recorded nor counted.
pub(super) fn get_secret_value(
    world: &mut World,
    context: &Context,
    id: &str,
    selector: Option<&str>,
    service: &'static str,
) -> Outcome<SecretValue> {
    let request_id = Uuid::new_v4().to_string();
    let outcome = find(world, context, id, selector.unwrap_or(CURRENT));
    let mut request = json!({"secretId": id});
    if let Some(selector) = selector {
        let field = if Uuid::parse_str(selector).is_ok() { "versionId" } else { "versionStage" };
        request[field] = json!(selector);
    }
    let event = Event {
        source: "secretsmanager.amazonaws.com",
        name: "GetSecretValue".to_owned(),
        read_only: true,
        request,
        response: serde_json::Value::Null,
        resources: Vec::new(),
    };
    let via = Via::Service { name: service, request_id: &request_id };
    world.recorder.record(context, event, outcome.as_ref().err(), via);
    outcome
}

fn find(world: &World, context: &Context, id: &str, selector: &str) -> Outcome<SecretValue> {
    let base = arn::secret(&context.region, &context.caller.account, id);
    let secret = world.secrets.secrets.get(&base);
    // The permission is checked before the existence, because patterns of policies also match missing secrets.
    let resource = secret.map_or_else(|| format!("{base}-??????"), |secret| secret.arn.clone());
    world.authorize(context, "secretsmanager:GetSecretValue", &resource)?;
    let missing = |what: String| {
        AwsError::new("ResourceNotFoundException", format!("Secrets Manager can't find the specified secret{what}."))
    };
    let secret = secret.ok_or_else(|| missing(String::new()))?;
    let value = secret.select(selector).ok_or_else(|| missing(format!(" value for: {selector}")))?;
    let pairs = [("SecretARN", &secret.arn), ("SecretVersionId", &value.version_id)];
    let pairs = EncryptionContext::from(pairs.map(|(name, text)| (name.to_owned(), text.clone())));
    cipher::check_decryption(world, context, &secret.key, &pairs, Through::secrets_manager()).map_err(no_key)?;
    Ok(value)
}

/// An error of KMS in the wording of Secrets Manager.
fn no_key(error: AwsError) -> AwsError {
    match error.code.as_str() {
        "AccessDeniedException" => AwsError::new("AccessDeniedException", "Access to KMS is not allowed"),
        _ => AwsError::new("DecryptionFailure", error.message),
    }
}
