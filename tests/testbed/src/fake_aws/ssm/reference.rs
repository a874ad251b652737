//! References to secrets of Secrets Manager. They can be read by name, and appear in no list.

use serde_json::{Value, json};

use super::names::ParsedName;
use crate::fake_aws::clock;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::secrets::{self, SecretValue};
use crate::fake_aws::world::{Context, World};

const PREFIX: &str = "/aws/reference/secretsmanager/";

/// The id of the secret that a name without selector refers to.
pub(super) fn secret_id(name: &str) -> Option<&str> {
    name.strip_prefix(PREFIX).filter(|id| !id.is_empty())
}

/// A secret can only be read with decryption.
pub(super) fn check(names: &[ParsedName], with_decryption: bool) -> Outcome<()> {
    if with_decryption || names.iter().all(|one| one.secret.is_none()) {
        return Ok(());
    }
    Err(AwsError::validation("WithDecryption flag must be True for retrieving a Secret Manager secret."))
}

/// `Parameter` of the API for a secret. It has no version number of its own.
pub(super) fn read(world: &mut World, context: &Context, one: &ParsedName, id: &str) -> Outcome<Value> {
    let selector = one.selector.as_deref();
    let secret = secrets::get_secret_value(world, context, id, selector, "ssm.amazonaws.com");
    let secret = secret.map_err(|error| translated(&error, id, selector))?;
    let mut parameter = json!({
        "Name": format!("{PREFIX}{id}"),
        "Type": "SecureString",
        "Value": secret.value,
        "Version": 0,
        "SourceResult": source_result(id, &secret),
        "LastModifiedDate": clock::json(secret.created_ms),
        "ARN": secret.arn,
        "DataType": "text",
    });
    if let Some(selector) = selector {
        parameter["Selector"] = json!(format!(":{selector}"));
    }
    Ok(parameter)
}

/// The response of Secrets Manager, as text.
fn source_result(id: &str, secret: &SecretValue) -> String {
    let answer = json!({
        "ARN": secret.arn,
        "name": id,
        "versionId": secret.version_id,
        "secretString": secret.value,
        "versionStages": secret.stages,
        "createdDate": clock::american(secret.created_ms),
    });
    answer.to_string()
}

/// An error of Secrets Manager in the wording of Parameter Store. AWS itself writes `null` for a missing selector; the
/// wording of a denial is an assumption.
fn translated(error: &AwsError, id: &str, selector: Option<&str>) -> AwsError {
    let (code, message) = match error.code.as_str() {
        "ResourceNotFoundException" => {
            let name = format!("{PREFIX}{id}{}", selector.unwrap_or("null"));
            ("ParameterNotFound", format!("Secret {} not found.", name.trim_start_matches('/')))
        }
        code => (code, error.message.clone()),
    };
    AwsError::new(code, format!("An error occurred ({code}) when referencing Secrets Manager: {message}"))
}
