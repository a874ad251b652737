//! Values that KMS decrypts instead of Parameter Store.
//!
//! KMS decrypts what Parameter Store encrypted with a customer managed key, if the encryption context names the
//! parameter's ARN. It refuses AWS managed keys and the envelopes of the advanced tier (Systems Manager User Guide,
//! "SecureString parameters"): Parameter Store decrypts these.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use tokio::time::Instant;

use crate::domain::{
    audit::Access,
    aws_error::{AwsError, AwsErrorKind, Denial},
    parameter::key::key_arn,
    secret::base64,
};
use crate::parameters::{
    batch::{
        record_call::objects,
        requests::{QueuedName, deliver_error},
        shared::Shared,
        ssm_fallback::SsmFallback,
    },
    port::{Ciphertext, Parameter, ParameterApi, Plaintext, ReadMode},
    read_error::service_failure,
};

/// Key of the encryption context that binds a value to its parameter (Systems Manager User Guide, SecureString).
const PARAMETER_ARN: &str = "PARAMETER_ARN";

/// First bytes of KMS ciphertext, in two versions (observed; AWS does not document them).
const KMS_PREFIXES: [[u8; 5]; 2] = [[1, 1, 2, 0, 0x78], [1, 2, 2, 0, 0x78]];

/// Decrypts the values that Parameter Store returned encrypted, and hands them out.
pub(crate) async fn decrypt_all<A: ParameterApi>(
    shared: &Arc<Shared<A>>,
    encrypted: Vec<(QueuedName, Parameter)>,
    access: &Arc<Access>,
) {
    join_all(encrypted.into_iter().map(|(name, parameter)| decrypt(shared, name, parameter, access))).await;
}

async fn decrypt<A: ParameterApi>(
    shared: &Arc<Shared<A>>,
    name: QueuedName,
    parameter: Parameter,
    access: &Arc<Access>,
) {
    let Some(ciphertext) = parameter.value.clone().filter(|value| is_kms_ciphertext(value)) else {
        return fall_back(shared, name, SsmFallback::AdvancedTier);
    };
    let objects = objects(std::slice::from_ref(&name));
    // Text that is not Base64 becomes an empty ciphertext, which KMS refuses like any other that it did not make.
    let blob = base64::decode(ciphertext.expose_secret()).unwrap_or_default();
    let context = BTreeMap::from([(PARAMETER_ARN.to_owned(), name.parameter_ref.arn.to_string())]);
    let ciphertext = Ciphertext { blob: &blob, key_id: None, context: &context };
    let metadata = parameter.metadata();
    let (result, second) = shared.client.decrypt(&name.parameter_ref, &metadata, ciphertext, &objects).await;
    let accesses = [Arc::clone(access), Arc::new(second)];
    let error = match result.and_then(|Plaintext { value, key }| Ok((text(&value)?, key))) {
        Ok((value, key)) => {
            let value = Some(Arc::new(value));
            return name.deliver(&Ok(Some(Arc::new(Parameter { value, key, ..parameter }))), &accesses);
        }
        Err(error) => error,
    };
    if may_succeed_through_ssm(shared, &error, &name).await {
        return fall_back(shared, name, SsmFallback::ManagedKey);
    }
    let key = shared.client.unavailable_key(&error, &objects).await;
    deliver_error(vec![name], error, key, &accesses[1]);
}

/// Reports whether Parameter Store may decrypt what KMS refused: AWS manages the key, its manager is not known, or the
/// value is not KMS ciphertext after all.
async fn may_succeed_through_ssm<A: ParameterApi>(shared: &Shared<A>, error: &AwsError, name: &QueuedName) -> bool {
    if error.code.as_deref() == Some("InvalidCiphertextException") {
        return true;
    }
    if !matches!(error.kind, AwsErrorKind::DecryptDenied | AwsErrorKind::AccessDenied) {
        return false;
    }
    let Some(key) = Denial::parse(&error.message).resource.or_else(|| key_arn(&error.message)) else {
        return true;
    };
    let state = shared.client.key_state(key, "", &objects(std::slice::from_ref(name))).await;
    state.and_then(|state| state.manager).is_none_or(|manager| manager != "CUSTOMER")
}

/// Requests a value again, to be decrypted by Parameter Store.
fn fall_back<A: ParameterApi>(shared: &Shared<A>, mut name: QueuedName, fallback: SsmFallback) {
    shared.state().fallbacks.insert(&name.parameter_ref.arn, fallback, Instant::now());
    for waiter in &mut name.waiters {
        waiter.fallback = Some(fallback);
    }
    shared.requeue(ReadMode::Decrypt, vec![name]);
}

/// Returns a plaintext as text, which is all that Parameter Store stores.
fn text(value: &SecretSlice<u8>) -> Result<SecretString, AwsError> {
    let text = std::str::from_utf8(value.expose_secret()).map(SecretString::from);
    text.map_err(|_| service_failure("KMS returned a plaintext that is not text".to_owned()))
}

/// Reports whether a stored value is KMS ciphertext, rather than an envelope around it.
fn is_kms_ciphertext(value: &SecretString) -> bool {
    // Eight characters of Base64 are six bytes.
    let start: String = value.expose_secret().chars().filter(|c| !c.is_ascii_whitespace()).take(8).collect();
    let start = base64::decode(&start);
    start.is_some_and(|bytes| KMS_PREFIXES.iter().any(|prefix| bytes.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use ::base64::{Engine, engine::general_purpose::STANDARD as BASE64};

    use super::*;

    #[test]
    fn kms_ciphertext_is_recognized_by_its_first_bytes() {
        for (start, expected) in [
            (&[1, 1, 2, 0, 0x78, 9, 9, 9][..], true),
            (&[1, 2, 2, 0, 0x78, 9, 9, 9], true),
            // Envelopes of the AWS Encryption SDK, message formats 1 and 2.
            (&[1, 0x80, 3, 0x78, 0, 0, 0, 0], false),
            (&[2, 5, 0x78, 0, 0, 0, 0, 0], false),
            (&[], false),
        ] {
            assert_eq!(is_kms_ciphertext(&BASE64.encode(start).into()), expected, "{start:?}");
        }
        let wrapped = BASE64.encode([1, 2, 2, 0, 0x78, 9, 9, 9]).replace("Ag", "\nAg\r\n");
        assert!(is_kms_ciphertext(&wrapped.into()), "line breaks do not matter");
        assert!(!is_kms_ciphertext(&"plain text".to_owned().into()));
    }
}
