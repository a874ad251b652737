//! KMS keys, as far as they concern parameters.

use std::collections::BTreeMap;

use crate::domain::parameter::{name::ParameterRef, scope::Scope};

/// What KMS DescribeKey says of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// ARN of the key.
    pub arn: String,
    /// `AWS` or `CUSTOMER`.
    pub manager: Option<String>,
    /// `Enabled`, `Disabled`, `PendingDeletion` and so on.
    pub state: String,
    /// When KMS will delete it.
    pub deletion_date: Option<String>,
}

/// The key of one parameter, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterKey {
    /// ARN of the key.
    pub arn: Option<String>,
    /// `AWS` or `CUSTOMER`.
    pub manager: Option<String>,
    /// Whether KMS was asked about the key.
    pub asked: bool,
    /// What it said last; none if it did not say.
    pub state: Option<KeyState>,
}

/// The keys of an object's parameters, as far as they are known.
pub type ParameterKeys = BTreeMap<ParameterRef, ParameterKey>;

/// `alias/aws/` is reserved for keys that AWS manages (KMS API reference, CreateAlias).
const AWS_ALIAS: &str = "alias/aws/";

impl ParameterKey {
    /// The key with this id, in any of KMS' formats, and what KMS said of it if it was `asked`.
    pub fn new(id: &str, asked: bool, state: Option<KeyState>) -> Self {
        let arn = Some(id).filter(|id| key_arn(id).is_some_and(|arn| arn == *id));
        let manager = (id.starts_with(AWS_ALIAS) || id.contains(&format!(":{AWS_ALIAS}"))).then_some("AWS");
        Self {
            arn: state.as_ref().map(|state| state.arn.clone()).or_else(|| arn.map(str::to_owned)),
            asked,
            manager: state.as_ref().and_then(|s| s.manager.clone()).or_else(|| manager.map(str::to_owned)),
            state,
        }
    }
}

impl KeyState {
    /// Reports whether the key can be used.
    pub fn is_usable(&self) -> bool {
        self.state == "Enabled"
    }

    /// Returns a sentence about a key that cannot be used and the parameters that it encrypts, with the next step. `None`
    /// for a key that can be used.
    pub fn warning(&self, parameters: &str) -> Option<String> {
        if self.is_usable() {
            return None;
        }
        let until = self.deletion_date.as_ref().map(|date| format!(", to be deleted on {date}")).unwrap_or_default();
        let Self { arn, state, .. } = self;
        let remedy = self.remedy();
        Some(format!("KMS key {arn} of {parameters} is {state}{until}, so the next read will fail: {remedy}."))
    }

    /// Returns the next step for a key that cannot be used.
    pub fn remedy(&self) -> &'static str {
        match self.state.as_str() {
            "PendingDeletion" => "cancel the deletion and enable it, or write the parameters with another key",
            "Disabled" => "enable it, or write the parameters with another key",
            _ => "make it usable again, or write the parameters with another key",
        }
    }
}

/// Returns the ARN that a key id stands for, whichever of KMS' four formats it has. Key ids and aliases without an ARN belong
/// to the account and region of the caller (KMS API reference, DescribeKey).
pub(crate) fn full_key_id(id: &str, scope: &Scope) -> String {
    let Scope { partition, region, account } = scope;
    match id {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        alias if alias.starts_with("alias/") => format!("arn:{partition}:kms:{region}:{account}:{alias}"),
        key => format!("arn:{partition}:kms:{region}:{account}:key/{key}"),
    }
}

/// Returns the first ARN of a KMS key in a message.
pub fn key_arn(message: &str) -> Option<&str> {
    message
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '(' | ')'))
        .map(|word| word.trim_end_matches('.'))
        .find(|word| word.starts_with("arn:") && word.contains(":kms:") && word.contains(":key/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/0d9f";

    #[test]
    fn what_is_not_described_is_known_only_as_far_as_its_id_says() {
        let key = |id| ParameterKey::new(id, false, None);
        assert_eq!(key(ARN), ParameterKey { arn: Some(ARN.into()), ..ParameterKey::default() });
        assert_eq!(key("alias/aws/ssm"), ParameterKey { manager: Some("AWS".into()), ..ParameterKey::default() });
        for id in ["alias/shop", "0d9f", "alias/shop/alias/aws/"] {
            assert_eq!(key(id), ParameterKey::default(), "{id}");
        }
    }

    #[test]
    fn the_four_formats_of_a_key_id_become_an_arn() {
        let scope = Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() };
        let alias = "arn:aws:kms:eu-central-1:111122223333:alias/shop";
        for (id, expected) in [(ARN, ARN), ("0d9f", ARN), ("alias/shop", alias), (alias, alias)] {
            assert_eq!(full_key_id(id, &scope), expected);
        }
    }

    #[test]
    fn a_warning_names_state_date_and_remedy() {
        let state = |state: &str, date: Option<&str>| KeyState {
            arn: ARN.into(),
            manager: None,
            state: state.into(),
            deletion_date: date.map(str::to_owned),
        };
        assert_eq!(state("Enabled", None).warning("/shop/a"), None);
        let pending = state("PendingDeletion", Some("2026-12-01T00:00:00Z")).warning("/shop/a").expect("a warning");
        for part in ["of /shop/a is PendingDeletion", "to be deleted on 2026-12-01", "cancel"] {
            assert!(pending.contains(part), "{pending} lacks {part}");
        }
        assert!(state("Unavailable", None).warning("/shop/a").is_some());
    }
}
