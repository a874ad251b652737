//! Keys and their aliases.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fake_aws::arn::{self, Arn};
use crate::fake_aws::clock;
use crate::fake_aws::crypto::CipherKey;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::iam::{Access, ResourcePolicy};
use crate::fake_aws::world::Context;

/// Alias of the key that AWS manages for Parameter Store.
pub(in crate::fake_aws) const SSM_ALIAS: &str = "alias/aws/ssm";

/// Alias of the key that AWS manages for Secrets Manager.
pub(in crate::fake_aws) const SECRETS_ALIAS: &str = "alias/aws/secretsmanager";

/// States of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Usable.
    Enabled,
    /// Disabled.
    Disabled,
    /// Will be deleted.
    PendingDeletion,
    /// Waits for its key material.
    PendingImport,
    /// A multi-Region primary that waits for its replicas to go.
    PendingReplicaDeletion,
    /// The key store is disconnected.
    Unavailable,
    /// Not ready yet.
    Creating,
    /// Its primary Region moves.
    Updating,
}

impl KeyState {
    fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingImport => "PendingImport",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
            Self::Unavailable => "Unavailable",
            Self::Creating => "Creating",
            Self::Updating => "Updating",
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::PendingDeletion => "pending deletion",
            Self::PendingImport => "pending import",
            Self::PendingReplicaDeletion => "pending replica deletion",
            Self::Unavailable => "unavailable",
            Self::Creating => "creating",
            Self::Updating => "updating",
        }
    }
}

/// A symmetric key.
pub(in crate::fake_aws) struct Key {
    /// Its ARN.
    pub arn: String,
    /// Owner.
    pub account: String,
    /// The key material.
    pub cipher: CipherKey,
    /// True if AWS manages it.
    pub aws_managed: bool,
    /// Its state.
    pub state: KeyState,
    /// Its policy. Without one, the identity policies of all accounts decide.
    pub policy: Option<ResourcePolicy>,
    description: String,
    created_ms: i64,
    deletion_ms: Option<i64>,
}

impl Key {
    /// The last part of the ARN.
    pub(crate) fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the error of KMS unless the key can be used.
    pub(crate) fn check_usable(&self) -> Outcome<()> {
        let code = match self.state {
            KeyState::Enabled => return Ok(()),
            KeyState::Disabled => "DisabledException",
            _ => "KMSInvalidStateException",
        };
        Err(AwsError::new(code, format!("{} is {}.", self.arn, self.state.phrase())))
    }

    /// The access under the policy of this key.
    pub(crate) fn guard<'a>(&self, context: &Context, access: Access<'a>) -> Access<'a> {
        match &self.policy {
            Some(policy) => access.under(policy, &self.account, &context.caller, &context.region),
            None => access,
        }
    }

    /// Sets the state. A key pending deletion gets a deletion date.
    pub(crate) fn set_state(&mut self, state: KeyState, deletion_ms: Option<i64>) {
        self.state = state;
        self.deletion_ms = deletion_ms.filter(|_| state == KeyState::PendingDeletion);
    }

    /// `KeyMetadata` of the API.
    pub(crate) fn metadata(&self) -> Value {
        let mut metadata = json!({
            "AWSAccountId": self.account,
            "KeyId": self.id(),
            "Arn": self.arn,
            "CreationDate": clock::json(self.created_ms),
            "Enabled": self.state == KeyState::Enabled,
            "Description": self.description,
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyState": self.state.name(),
            "Origin": if self.state == KeyState::PendingImport { "EXTERNAL" } else { "AWS_KMS" },
            "KeyManager": if self.aws_managed { "AWS" } else { "CUSTOMER" },
            "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "KeySpec": "SYMMETRIC_DEFAULT",
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "MultiRegion": self.id().starts_with("mrk-"),
        });
        if let Some(deletion) = self.deletion_ms {
            metadata["DeletionDate"] = clock::json(deletion);
        }
        metadata
    }
}

/// All keys of all accounts and regions.
#[derive(Default)]
pub(in crate::fake_aws) struct KeyRing {
    keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, String>,
}

impl KeyRing {
    /// Creates a key. Returns its ARN.
    pub(crate) fn create(&mut self, context: &Context, description: &str, aws_managed: bool) -> String {
        let account = context.caller.account.clone();
        let arn = arn::kms(&context.region, &account, &format!("key/{}", Uuid::new_v4()));
        let key = Key {
            arn: arn.clone(),
            account,
            cipher: CipherKey::random(),
            aws_managed,
            state: KeyState::Enabled,
            policy: None,
            description: description.to_owned(),
            created_ms: context.now_ms,
            deletion_ms: None,
        };
        self.keys.insert(arn.clone(), key);
        arn
    }

    /// Creates an alias of a key. Returns false if the alias exists.
    pub(crate) fn alias(&mut self, alias_arn: &str, key_arn: &str) -> bool {
        let free = !self.aliases.contains_key(alias_arn);
        self.aliases.insert(alias_arn.to_owned(), key_arn.to_owned());
        free
    }

    /// Reports whether the alias exists.
    pub(crate) fn has_alias(&self, alias_arn: &str) -> bool {
        self.aliases.contains_key(alias_arn)
    }

    /// Creates the AWS-managed key of a service if the identifier names it and it does not exist.
    pub(crate) fn create_on_demand(&mut self, context: &Context, id: &str) {
        for (name, what) in [(SSM_ALIAS, "SSM parameters"), (SECRETS_ALIAS, "Secrets Manager data")] {
            let alias = arn::kms(&context.region, &context.caller.account, name);
            if (id == name || id == alias) && !self.aliases.contains_key(&alias) {
                let description = format!("Default key that protects my {what} when no other key is defined");
                let key = self.create(context, &description, true);
                self.aliases.insert(alias, key);
            }
        }
    }

    /// The key behind a key ARN, key id, alias ARN or alias name.
    pub(crate) fn resolve(&self, context: &Context, id: &str) -> Outcome<String> {
        let account = &context.caller.account;
        let full = match Arn::parse(id) {
            Some(arn) if arn.service == "kms" => id.to_owned(),
            _ if id.starts_with("alias/") => arn::kms(&context.region, account, id),
            _ => arn::kms(&context.region, account, &format!("key/{id}")),
        };
        let resource = Arn::parse(&full).map(|arn| arn.resource).unwrap_or_default();
        if resource.starts_with("alias/") {
            let found = self.aliases.get(&full).cloned();
            return found.ok_or_else(|| AwsError::new("NotFoundException", format!("Alias {full} is not found.")));
        }
        self.get(&full).map(|key| key.arn.clone())
    }

    /// A key by its ARN.
    pub(crate) fn get(&self, key_arn: &str) -> Outcome<&Key> {
        let missing = || AwsError::new("NotFoundException", format!("Key '{key_arn}' does not exist"));
        self.keys.get(key_arn).ok_or_else(missing)
    }

    /// A key by its ARN, to change it.
    pub(crate) fn get_mut(&mut self, key_arn: &str) -> Option<&mut Key> {
        self.keys.get_mut(key_arn)
    }

    /// Deletes a key and its aliases.
    pub(crate) fn remove(&mut self, key_arn: &str) {
        self.keys.remove(key_arn);
        self.aliases.retain(|_, target| target != key_arn);
    }
}
