//! Values that were encrypted by hand with KMS before they were stored.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use futures::future::join_all;
use secrecy::{ExposeSecret, SecretSlice, SecretString, zeroize::Zeroizing};

use crate::parameters::{
    Reader,
    port::{Ciphertext, ParameterApi},
    reader::Reading,
};
use crate::{
    api::{KmsDecrypt, Reason},
    domain::{
        Fault,
        audit::{
            ObjectRef,
            aws_error::{AwsError, AwsErrorKind},
        },
        parameter::{name::ParameterRef, revision::Metadata},
        plan::types::Plan,
        report::event::Access,
        secret::content::KmsPlaintexts,
    },
};

/// Largest ciphertext that KMS takes, in bytes (AWS KMS API reference, Decrypt).
const LARGEST: usize = 6_144;

/// What came of decrypting an object's values once more.
#[derive(Debug, Default)]
pub struct KmsDecryption {
    /// The values.
    pub opened: KmsPlaintexts,
    /// The calls of KMS that were made for it.
    pub accesses: Vec<Access>,
    /// Why one could not be decrypted.
    pub fault: Option<Fault>,
}

impl<A: ParameterApi> Reader<A> {
    /// Has KMS decrypt the values that a plan says were encrypted by hand, each once.
    pub async fn kms_decrypt_all(&self, plan: &Plan, reading: &Reading, object: &ObjectRef) -> KmsDecryption {
        let by_hand: BTreeSet<_> =
            plan.values().filter_map(|source| Some((&source.parameter_ref, source.kms_decrypt.as_ref()?))).collect();
        let present = by_hand.into_iter().filter_map(|(parameter_ref, how)| {
            let metadata = reading.versions.get(parameter_ref)?.as_ref()?;
            Some((parameter_ref, how, metadata, reading.values.get(parameter_ref)?))
        });
        let opening = present.map(|(parameter_ref, how, metadata, value)| async move {
            let (result, access) = self.open_one(parameter_ref, how, metadata, value, object).await;
            (parameter_ref, how, result, access)
        });
        let mut opened = KmsDecryption::default();
        for (parameter_ref, how, result, access) in join_all(opening).await {
            opened.accesses.extend(access);
            match result {
                Ok(value) => drop(opened.opened.insert((parameter_ref.clone(), how.clone()), value)),
                Err(fault) => opened.fault = opened.fault.or(Some(fault)),
            }
        }
        opened
    }

    async fn open_one(
        &self,
        parameter_ref: &ParameterRef,
        how: &KmsDecrypt,
        metadata: &Metadata,
        value: &SecretString,
        object: &ObjectRef,
    ) -> (Result<SecretSlice<u8>, Fault>, Option<Access>) {
        let compact = Zeroizing::new(value.expose_secret().split_ascii_whitespace().collect::<String>());
        let blob = match BASE64.decode(compact.as_bytes()) {
            Ok(blob) if (1..=LARGEST).contains(&blob.len()) => blob,
            // What a decoder says may quote a byte.
            Ok(_) | Err(_) => return (Err(no_ciphertext(parameter_ref)), None),
        };
        let ciphertext = Ciphertext { blob: &blob, key_id: how.key_id.as_deref(), context: &how.encryption_context };
        let version = (metadata.version, metadata.type_.as_str());
        let objects = std::slice::from_ref(object);
        let (result, access) = self.caller.decrypt(parameter_ref, version, ciphertext, objects).await;
        let result = match result {
            Ok(plaintext) => Ok(plaintext.value),
            Err(error) => {
                let key = self.caller.key_in_the_way(&error, objects).await;
                if key.is_none() && error.kind == AwsErrorKind::KeyUnavailable {
                    return (Err(no_key(parameter_ref, &error)), Some(access));
                }
                Err(error.fault(Some(&self.principal().arn), &[parameter_ref.to_string()], self.scope(), key.as_ref()))
            }
        };
        (result, Some(access))
    }
}

fn no_key(parameter_ref: &ParameterRef, error: &AwsError) -> Fault {
    let message = format!(
        "KMS cannot use the key that kmsDecrypt of parameter {parameter_ref} means ({}); correct kmsDecrypt.keyID, or enable the key.",
        error.stable_message().trim_end_matches('.')
    );
    Fault::new(Reason::KeyUnavailable, message)
}

fn no_ciphertext(parameter_ref: &ParameterRef) -> Fault {
    let message = format!(
        "The value of parameter {parameter_ref} is no base64 of a ciphertext of KMS (at most {LARGEST} bytes); store what `aws kms \
         encrypt` prints as CiphertextBlob, or remove kmsDecrypt."
    );
    Fault::new(Reason::CiphertextInvalid, message)
}
