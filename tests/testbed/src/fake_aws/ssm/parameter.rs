//! A parameter with its versions.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::fake_aws::clock;
use crate::fake_aws::error::{AwsError, Outcome};

/// Number of versions that are kept.
pub(super) const VERSION_LIMIT: usize = 100;

/// Types of a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterType {
    /// Text.
    String,
    /// Texts separated by commas.
    StringList,
    /// Text encrypted by KMS.
    #[default]
    SecureString,
}

/// Tiers of a parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tier {
    /// Up to 4,096 bytes.
    #[default]
    Standard,
    /// Up to 8,192 bytes, policies, sharing.
    Advanced,
    /// The smallest sufficient tier, decided at each write.
    #[serde(rename = "Intelligent-Tiering")]
    IntelligentTiering,
}

impl ParameterType {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::SecureString => "SecureString",
        }
    }
}

/// A stored value. A `SecureString` is stored encrypted.
#[derive(Clone)]
pub(super) enum Stored {
    Plain(String),
    Sealed(Vec<u8>),
}

/// One version.
#[derive(Clone)]
pub(super) struct Version {
    pub number: i64,
    pub kind: ParameterType,
    pub value: Stored,
    /// Key id as the writer passed it, often an alias.
    pub key_id: Option<String>,
    pub modified_ms: i64,
    pub modified_by: String,
    pub labels: Vec<String>,
    pub description: Option<String>,
    pub allowed_pattern: Option<String>,
    pub tier: Tier,
    pub data_type: String,
    pub policies: Vec<Value>,
}

impl Version {
    /// Fields that `DescribeParameters` and `GetParameterHistory` have in common.
    pub(super) fn metadata(&self, name: &str) -> Value {
        let mut metadata = json!({
            "Name": name,
            "Type": self.kind.name(),
            "LastModifiedDate": clock::json(self.modified_ms),
            "LastModifiedUser": self.modified_by,
            "Version": self.number,
            "Tier": self.tier,
            "DataType": self.data_type,
            "Policies": self.policies,
        });
        for (field, value) in
            [("KeyId", &self.key_id), ("Description", &self.description), ("AllowedPattern", &self.allowed_pattern)]
        {
            if let Some(value) = value {
                metadata[field] = json!(value);
            }
        }
        metadata
    }
}

/// A parameter. It has at least one version.
pub(in crate::fake_aws) struct Parameter {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) account: String,
    pub(super) region: String,
    pub(super) versions: VecDeque<Version>,
    /// Accounts that may read it.
    pub(super) shared_with: BTreeSet<String>,
}

impl Parameter {
    /// The current version.
    pub(super) fn latest(&self) -> &Version {
        self.versions.back().expect("a parameter is made with its first version")
    }

    /// The version of a selector: a number, a label, or none for the current version.
    pub(super) fn select(&self, selector: Option<&str>) -> Option<&Version> {
        let Some(selector) = selector else {
            return self.versions.back();
        };
        self.versions.iter().find(|version| match selector.parse::<i64>() {
            Ok(number) => version.number == number,
            Err(_) => version.labels.iter().any(|label| label == selector),
        })
    }

    /// The newest version that has one of the labels.
    pub(super) fn labelled(&self, labels: &[String]) -> Option<&Version> {
        self.versions.iter().rfind(|version| version.labels.iter().any(|label| labels.contains(label)))
    }

    /// Adds a version. If there are too many, the oldest is removed, unless it has a label.
    pub(super) fn push(&mut self, version: Version) -> Outcome<()> {
        if self.versions.len() >= VERSION_LIMIT {
            let oldest = &self.versions[0];
            if !oldest.labels.is_empty() {
                let message = format!(
                    "You attempted to create a new version of {} by calling the PutParameter API with the overwrite \
                     flag. Version {}, the oldest version, can't be deleted because it has a label associated with \
                     it. Move the label to another version of the parameter, and try again.",
                    self.name, oldest.number
                );
                return Err(AwsError::new("ParameterMaxVersionLimitExceeded", message));
            }
            self.versions.pop_front();
        }
        self.versions.push_back(version);
        Ok(())
    }
}
