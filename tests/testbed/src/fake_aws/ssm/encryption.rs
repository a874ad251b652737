//! Encryption of values: Parameter Store as a client of KMS, on behalf of the caller.

use serde_json::{Value, json};
use uuid::Uuid;

use super::parameter::Tier;
use crate::fake_aws::crypto::{self, EncryptionContext};
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::fault::{Fault, throttled};
use crate::fake_aws::kms::cipher::{self, Through};
use crate::fake_aws::kms::key_resource;
use crate::fake_aws::recorder::{Event, Via};
use crate::fake_aws::service::Service;
use crate::fake_aws::world::{Context, World};

/// Encrypts a value: by KMS for the standard tier, with a wrapped data key for the advanced tier.
pub(super) fn seal(
    world: &mut World,
    context: &Context,
    arn: &str,
    key_id: &str,
    tier: Tier,
    value: &str,
) -> Outcome<Vec<u8>> {
    world.keys.create_on_demand(context, key_id);
    let key = world.keys.resolve(context, key_id);
    let (operation, action) = match tier {
        Tier::Advanced => ("GenerateDataKey", "kms:GenerateDataKey"),
        _ => ("Encrypt", "kms:Encrypt"),
    };
    let pairs = encryption_context(arn);
    let named = key.as_ref().ok().cloned();
    through_kms(world, context, operation, named.as_deref(), arn, |world| {
        let key = key?;
        let encrypt =
            |bytes: &[u8]| cipher::encrypt(world, context, &key, action, bytes, &pairs, Through::ssm(Some(key_id)));
        match tier {
            Tier::Advanced => crypto::seal_envelope(value.as_bytes(), encrypt),
            _ => encrypt(value.as_bytes()),
        }
    })
}

/// Decrypts a value that [`seal`] encrypted.
pub(super) fn open(world: &mut World, context: &Context, arn: &str, sealed: &[u8]) -> Outcome<String> {
    let pairs = encryption_context(arn);
    let wrapped = crypto::wrapped_key(sealed);
    let blob = wrapped.unwrap_or(sealed);
    let key = crypto::key_of(blob).ok();
    let opened = through_kms(world, context, "Decrypt", key, arn, |world| {
        cipher::decrypt(world, context, blob, &pairs, Through::ssm(None))
    })?;
    let plaintext = if wrapped.is_some() {
        crypto::open_envelope(sealed, &opened).map_err(|_| Service::Ssm.internal_error())?
    } else {
        opened
    };
    String::from_utf8(plaintext).map_err(|_| Service::Ssm.internal_error())
}

fn encryption_context(arn: &str) -> EncryptionContext {
    EncryptionContext::from([("PARAMETER_ARN".to_owned(), arn.to_owned())])
}

/// Makes one KMS call with its own record and request id. Its error becomes an error of Parameter Store.
fn through_kms<T>(
    world: &mut World,
    context: &Context,
    operation: &str,
    key_arn: Option<&str>,
    parameter_arn: &str,
    call: impl FnOnce(&mut World) -> Outcome<T>,
) -> Outcome<T> {
    let request_id = Uuid::new_v4().to_string();
    let fault = if context.is_test { None } else { world.faults.take(&format!("kms:{operation}")) };
    let outcome = match fault {
        Some(Fault::Throttle) => Err(throttled()),
        Some(_) => Err(Service::Kms.internal_error()),
        None => call(world),
    };
    let event = Event {
        source: "kms.amazonaws.com",
        name: operation.to_owned(),
        read_only: true,
        request: json!({
            "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "encryptionContext": {"PARAMETER_ARN": parameter_arn},
        }),
        response: Value::Null,
        resources: key_arn.into_iter().map(key_resource).collect(),
    };
    let via = Via::Service { name: "ssm.amazonaws.com", request_id: &request_id };
    world.recorder.record(context, event, outcome.as_ref().err(), via);
    outcome.map_err(|error| wrapped(&error, &request_id))
}

fn wrapped(error: &AwsError, request_id: &str) -> AwsError {
    let AwsError { code, message, status } = error;
    let text = format!(
        "{message} (Service: AWSKMS; Status Code: {status}; Error Code: {code}; Request ID: {request_id}; Proxy: null)"
    );
    match code.as_str() {
        "AccessDeniedException" | "ThrottlingException" => AwsError::new(code, text),
        "DisabledException" | "KMSInvalidStateException" | "NotFoundException" => AwsError::new("InvalidKeyId", text),
        _ => AwsError::new("InternalServerError", text).with_status(500),
    }
}
