//! Errors of requests for Secrets. No error holds a value, even if the API server quotes one.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use kube::{
    Error,
    core::{Status, response::StatusCause},
};

use crate::{
    domain::secret::content::{Content, Data},
    kubernetes::refusal::describe,
};

/// Why a request for a Secret failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The request would change a field that cannot change: the type, or anything of an immutable Secret.
    #[error("an immutable field would have to change")]
    Immutable,
    /// The Secret was deleted, or replaced by another, after its ownership was checked.
    #[error("the Secret was deleted or replaced in the meantime")]
    Replaced,
    /// Other field managers own these fields and set them to other values.
    #[error("other field managers own these fields ({0})")]
    FieldConflict(String),
    /// Another controller already owns the Secret by an owner reference.
    #[error("another controller made itself its owner in the meantime")]
    Controlled,
    /// The API server finds these fields invalid, for these reasons.
    #[error("the API server refuses it as invalid ({0})")]
    Invalid(String),
    /// The request failed for any other reason.
    #[error("{0}")]
    Failed(String),
}

/// Classifies an error of the API server. Its message is kept only if it quotes nothing of `data`.
pub(crate) fn classify(error: &Error, data: Option<&Data<'_>>) -> SecretError {
    let Error::Api(status) = error else {
        return SecretError::Failed(describe(error));
    };
    let message = status.message.as_str();
    match status.code {
        409 if causes(status).any(|cause| cause.reason == "FieldManagerConflict") => {
            let causes =
                causes(status).map(|cause| format!("{}: {}", cause.field.trim_start_matches('.'), cause.message));
            SecretError::FieldConflict(causes.collect::<Vec<_>>().join(", "))
        }
        404 | 409 => SecretError::Replaced,
        422 if message.contains("metadata.uid") || message.contains("Precondition failed: UID") => {
            SecretError::Replaced
        }
        422 if message.contains("immutable") => SecretError::Immutable,
        // Of several owner references at most one may be a controller (ValidateOwnerReferences of the API server).
        422 if causes(status).any(|cause| cause.field == "metadata.ownerReferences") => SecretError::Controlled,
        // A validation message may quote the value, so only field and reason are kept. Errors of admission policies
        // name no field.
        422 if causes(status).any(|cause| !cause.field.is_empty()) => {
            let causes = causes(status).map(|cause| format!("{}: {}", cause.field, cause.reason));
            SecretError::Invalid(causes.collect::<Vec<_>>().join(", "))
        }
        code if data.is_some_and(|data| quotes(message, data)) => {
            SecretError::Failed(format!("the API server answered {code} with a message that is withheld"))
        }
        _ => SecretError::Failed(describe(error)),
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

fn quotes(message: &str, data: &Data<'_>) -> bool {
    data.values().map(Content::bytes).filter(|bytes| !bytes.is_empty()).any(|bytes| {
        let is_plain = std::str::from_utf8(bytes).is_ok_and(|text| message.contains(text));
        is_plain || message.contains(&BASE64.encode(bytes))
    })
}
