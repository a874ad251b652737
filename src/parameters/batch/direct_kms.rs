//! Values that KMS decrypts instead of Parameter Store.
//!
//! KMS decrypts what Parameter Store encrypted with a customer's key, if it is told the parameter's ARN. It refuses keys
//! that AWS manages, and the envelopes of the advanced tier (Systems Manager User Guide, "SecureString parameters"):
//! these take the detour through Parameter Store.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretSlice, SecretString, zeroize::Zeroizing};
use tokio::time::Instant;

use crate::parameters::batch::{Shared, locked};
use crate::{
    domain::{
        audit::aws_error::{AwsError, AwsErrorKind, Denial},
        parameter::key::key_arn,
        report::event::Access,
    },
    parameters::{
        batch::{match_response::objects, queue::QueuedName},
        port::{Ciphertext, Mode, Parameter, ParameterApi, Plaintext},
    },
};

/// How long a detour is taken before the direct way is tried again: the parameter may have another key or tier by then.
const DETOUR: Duration = Duration::from_secs(3_600);

/// Key of the encryption context that binds a value to its parameter (Systems Manager User Guide, SecureString).
const PARAMETER_ARN: &str = "PARAMETER_ARN";

/// How ciphertext of KMS itself begins, in two versions (observed; AWS does not document it).
const KMS_OPENINGS: [[u8; 5]; 2] = [[1, 1, 2, 0, 0x78], [1, 2, 2, 0, 0x78]];

/// Why Parameter Store decrypted what KMS was to decrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SsmFallback {
    /// The value is an envelope of the advanced tier.
    AdvancedTier,
    /// The key is managed by AWS, or nothing is known of it.
    ManagedKey,
}

impl fmt::Display for SsmFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdvancedTier => "advanced tier",
            Self::ManagedKey => "not a customer's key, or not for direct use",
        })
    }
}

/// Parameters that take the detour, by ARN, and since when.
#[derive(Debug, Default)]
pub struct SsmFallbacks(HashMap<String, (SsmFallback, Instant)>);

impl SsmFallbacks {
    /// Whether a parameter takes the detour for now: not if it changed since.
    pub fn of(&mut self, arn: &str, changed_at: Option<Instant>) -> Option<SsmFallback> {
        let (detour, since) = self.0.get(arn)?;
        if since.elapsed() < DETOUR && changed_at.is_none_or(|changed_at| changed_at <= *since) {
            return Some(*detour);
        }
        self.0.remove(arn);
        None
    }

    /// Notes that what was seen to change is what took the detour.
    pub fn confirm(&mut self, arn: &str) {
        if let Some((_, since)) = self.0.get_mut(arn) {
            *since = Instant::now();
        }
    }
}

impl Parameter {
    pub(crate) fn is_encrypted(&self) -> bool {
        self.type_ == "SecureString" && self.value.is_some()
    }
}

impl<A: ParameterApi> Shared<A> {
    /// Has KMS decrypt what Parameter Store gave, and hands it out.
    pub(crate) async fn decrypt_all(self: &Arc<Self>, encrypted: Vec<(QueuedName, Parameter)>, access: &Arc<Access>) {
        join_all(encrypted.into_iter().map(|(item, parameter)| self.decrypt(item, parameter, access))).await;
    }

    async fn decrypt(self: &Arc<Self>, item: QueuedName, parameter: Parameter, access: &Arc<Access>) {
        let Some(ciphertext) = parameter.value.clone().filter(|value| is_of_kms(value)) else {
            return self.take_detour(item, SsmFallback::AdvancedTier);
        };
        let objects = objects(std::slice::from_ref(&item));
        // What is no base64 KMS refuses as it refuses any other text that it did not make.
        let blob = BASE64.decode(ciphertext.expose_secret()).unwrap_or_default();
        let context = BTreeMap::from([(PARAMETER_ARN.to_owned(), item.parameter_ref.arn.clone())]);
        let ciphertext = Ciphertext { blob: &blob, key_id: None, context: &context };
        let version = (parameter.version, parameter.type_.as_str());
        let (result, second) = self.caller.decrypt(&item.parameter_ref, version, ciphertext, &objects).await;
        let accesses = [Arc::clone(access), Arc::new(second)];
        let error = match result.and_then(|Plaintext { value, key }| Ok((text(&value)?, key))) {
            Ok((value, key)) => {
                let value = Some(Arc::new(value));
                return item.deliver(&Ok(Some(Arc::new(Parameter { value, key, ..parameter }))), &accesses);
            }
            Err(error) => error,
        };
        if self.may_be_meant_for_parameter_store(&error, &item).await {
            return self.take_detour(item, SsmFallback::ManagedKey);
        }
        let key = self.caller.key_in_the_way(&error, &objects).await;
        Self::deliver_error(vec![item], error, key, &accesses[1]);
    }

    /// Whether KMS refuses for a reason that does not count for Parameter Store: the key is one that AWS manages, or
    /// nobody knows; or the ciphertext is not of KMS after all.
    async fn may_be_meant_for_parameter_store(&self, error: &AwsError, item: &QueuedName) -> bool {
        if error.code.as_deref() == Some("InvalidCiphertextException") {
            return true;
        }
        if !matches!(error.kind, AwsErrorKind::DecryptDenied | AwsErrorKind::AccessDenied) {
            return false;
        }
        let Some(key) = Denial::parse(&error.message).resource.or_else(|| key_arn(&error.message)) else {
            return true;
        };
        let state = self.caller.key_state(key, "", &objects(std::slice::from_ref(item))).await;
        state.and_then(|state| state.manager).is_none_or(|manager| manager != "CUSTOMER")
    }

    fn take_detour(&self, mut item: QueuedName, detour: SsmFallback) {
        locked(&self.detours).0.insert(item.parameter_ref.arn.clone(), (detour, Instant::now()));
        for waiter in &mut item.waiters {
            waiter.detour = Some(detour);
        }
        self.ask_again(Mode::Decrypt, vec![item]);
    }
}

/// A value is text: Parameter Store takes nothing else.
fn text(value: &SecretSlice<u8>) -> Result<SecretString, AwsError> {
    let text = std::str::from_utf8(value.expose_secret()).map(SecretString::from);
    text.map_err(|_| {
        let message = "what KMS decrypted is not text".to_owned();
        AwsError { kind: AwsErrorKind::ServiceUnavailable, code: None, message, request_id: None }
    })
}

/// Whether a stored value is ciphertext that KMS made, rather than an envelope around one.
fn is_of_kms(value: &SecretString) -> bool {
    let text = value.expose_secret();
    // Eight characters of base64 are six bytes.
    let opening = text.get(..8).and_then(|start| BASE64.decode(start).ok()).map(Zeroizing::new);
    opening.is_some_and(|bytes| KMS_OPENINGS.iter().any(|opening| bytes.starts_with(opening)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_told_from_ciphertext() {
        for (opening, expected) in [
            (&[1, 1, 2, 0, 0x78, 9, 9, 9][..], true),
            (&[1, 2, 2, 0, 0x78, 9, 9, 9], true),
            // Encryption SDK, message formats 1 and 2.
            (&[1, 0x80, 3, 0x78, 0, 0, 0, 0], false),
            (&[2, 5, 0x78, 0, 0, 0, 0, 0], false),
            (&[], false),
        ] {
            assert_eq!(is_of_kms(&BASE64.encode(opening).into()), expected, "{opening:?}");
        }
        assert!(!is_of_kms(&"plain text".to_owned().into()));
    }
}
