//! `kmsDecrypt`: values that the user encrypted with KMS before storing them.

use std::{collections::BTreeSet, sync::Arc};

use futures::future::join_all;
use secrecy::{ExposeSecret, SecretSlice, SecretString, zeroize::Zeroizing};

use crate::parameters::{
    audited_client::AuditedClient,
    port::{Ciphertext, ParameterApi},
    reading::Reading,
};
use crate::{
    api::{KmsDecrypt, Reason},
    domain::{
        Fault,
        audit::{Access, ObjectRef},
        aws_error::{AwsError, AwsErrorKind},
        parameter::{name::ParameterRef, revision::Metadata, scope::Scope},
        plan::types::Plan,
        secret::{base64, content::KmsPlaintexts},
    },
};

/// Largest ciphertext that KMS accepts, in bytes (AWS KMS API Reference, Decrypt).
const MAX_CIPHERTEXT: usize = 6_144;

/// The result of decrypting an object's values with KMS.
#[derive(Debug, Default)]
pub(crate) struct KmsDecryption {
    /// The plaintexts.
    pub(crate) plaintexts: KmsPlaintexts,
    /// The calls of KMS.
    pub(crate) accesses: Vec<Access>,
    /// The first failure.
    pub(crate) fault: Option<Fault>,
}

/// Decrypts every value that the plan decrypts with KMS, once for each way it is to be decrypted.
pub(crate) async fn decrypt_all<A: ParameterApi>(
    client: &Arc<AuditedClient<A>>,
    scope: &Scope,
    plan: &Plan,
    reading: &Reading,
    object: &ObjectRef,
) -> KmsDecryption {
    let encrypted: BTreeSet<_> =
        plan.values().filter_map(|source| Some((&source.parameter_ref, source.kms_decrypt.as_ref()?))).collect();
    let present = encrypted.into_iter().filter_map(|(parameter_ref, options)| {
        let metadata = reading.versions.get(parameter_ref)?.as_ref()?;
        Some((Encrypted { parameter_ref, metadata, options }, reading.values.get(parameter_ref)?))
    });
    let decrypting = present.map(|(encrypted, value)| async move {
        let (result, access) = decrypt(client, scope, encrypted, value, object).await;
        (encrypted, result, access)
    });
    let mut decryption = KmsDecryption::default();
    for (Encrypted { parameter_ref, options, .. }, result, access) in join_all(decrypting).await {
        decryption.accesses.extend(access);
        match result {
            Ok(plaintext) => {
                decryption.plaintexts.insert((parameter_ref.clone(), options.clone()), plaintext);
            }
            Err(fault) => decryption.fault = decryption.fault.or(Some(fault)),
        }
    }
    decryption
}

/// A parameter whose value is encrypted, and how to decrypt it.
#[derive(Clone, Copy)]
struct Encrypted<'a> {
    parameter_ref: &'a ParameterRef,
    metadata: &'a Metadata,
    options: &'a KmsDecrypt,
}

async fn decrypt<A: ParameterApi>(
    client: &Arc<AuditedClient<A>>,
    scope: &Scope,
    Encrypted { parameter_ref, metadata, options }: Encrypted<'_>,
    value: &SecretString,
    object: &ObjectRef,
) -> (Result<SecretSlice<u8>, Fault>, Option<Access>) {
    let Some(blob) = ciphertext(value) else { return (Err(not_ciphertext(parameter_ref)), None) };
    let (key_id, context) = (options.key_id.as_deref(), &options.encryption_context);
    let ciphertext = Ciphertext { blob: &blob, key_id, context };
    let objects = std::slice::from_ref(object);
    let (result, access) = client.decrypt(parameter_ref, metadata, ciphertext, objects).await;
    let error = match result {
        Ok(plaintext) => return (Ok(plaintext.value), Some(access)),
        Err(error) => error,
    };
    let key = client.unavailable_key(&error, objects).await;
    let fault = if key.is_none() && error.kind == AwsErrorKind::KeyUnavailable {
        key_unavailable(parameter_ref, &error)
    } else {
        error.fault(Some(&client.principal.arn), &[parameter_ref.to_string()], scope, key.as_ref())
    };
    (Err(fault), Some(access))
}

/// Returns the ciphertext that a value holds as Base64, line breaks allowed.
fn ciphertext(value: &SecretString) -> Option<Zeroizing<Vec<u8>>> {
    base64::decode(value.expose_secret()).filter(|blob| (1..=MAX_CIPHERTEXT).contains(&blob.len()))
}

fn key_unavailable(parameter_ref: &ParameterRef, error: &AwsError) -> Fault {
    let message = format!(
        "KMS cannot use the key for kmsDecrypt of parameter {parameter_ref} ({}); correct kmsDecrypt.keyID, or enable \
         the key.",
        error.stable_message().trim_end_matches('.')
    );
    Fault::new(Reason::KeyUnavailable, message)
}

fn not_ciphertext(parameter_ref: &ParameterRef) -> Fault {
    let message = format!(
        "The value of parameter {parameter_ref} is not Base64 of a KMS ciphertext of at most {MAX_CIPHERTEXT} bytes; \
         store the CiphertextBlob that `aws kms encrypt` prints, or remove kmsDecrypt."
    );
    Fault::new(Reason::CiphertextInvalid, message)
}
