//! Why the API server did not write a Secret, in words that hold nothing of it.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use kube::{
    Error,
    core::{Status, response::StatusCause},
};

use crate::domain::secret::content::{Content, Data};

/// Why a write failed. Holds nothing of what was written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A field that cannot change would have to: type, or anything of an immutable Secret.
    #[error("an immutable field would have to change")]
    Immutable,
    /// The Secret is not the one that was judged: it went, or another came.
    #[error("the Secret was replaced in the meantime")]
    Replaced,
    /// Other field managers hold these fields, with other values.
    #[error("others hold what would be written ({0})")]
    Held(String),
    /// The API server finds it invalid: these fields, for these kinds of reason.
    #[error("the API server refuses it as invalid ({0})")]
    Invalid(String),
    /// The API server refused, in its own words as far as they are safe.
    #[error("{0}")]
    Refused(String),
}

/// Sorts an error of the API server. What it says is passed on only where it cannot hold anything of `data`.
pub(crate) fn classify(error: &Error, data: Option<&Data<'_>>) -> WriteError {
    let Error::Api(status) = error else {
        return WriteError::Refused("the API server cannot be reached".to_owned());
    };
    let message = status.message.as_str();
    match status.code {
        409 if causes(status).any(|cause| cause.reason == "FieldManagerConflict") => {
            let causes =
                causes(status).map(|cause| format!("{}: {}", cause.field.trim_start_matches('.'), cause.message));
            WriteError::Held(causes.collect::<Vec<_>>().join(", "))
        }
        404 | 409 => WriteError::Replaced,
        422 if message.contains("metadata.uid") || message.contains("Precondition failed: UID") => WriteError::Replaced,
        422 if message.contains("immutable") => WriteError::Immutable,
        // Validation names fields, and may quote what it refuses: field and kind of complaint are enough to act on.
        // An admission policy names none.
        422 if causes(status).any(|cause| !cause.field.is_empty()) => {
            let causes = causes(status).map(|cause| format!("{}: {}", cause.field, cause.reason));
            WriteError::Invalid(causes.collect::<Vec<_>>().join(", "))
        }
        _ if data.is_some_and(|data| mentions(message, data)) => {
            WriteError::Refused(format!("the API server answered {} with a message that is withheld", status.code))
        }
        code => WriteError::Refused(format!("the API server answered {code}: {}", shortened(message))),
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    status.details.iter().flat_map(|details| &details.causes)
}

fn mentions(message: &str, data: &Data<'_>) -> bool {
    data.values().map(Content::bytes).filter(|bytes| !bytes.is_empty()).any(|bytes| {
        let is_quoted = std::str::from_utf8(bytes).is_ok_and(|text| message.contains(text));
        is_quoted || message.contains(&BASE64.encode(bytes))
    })
}

/// What the API server said, as far as it is passed on.
pub(crate) fn shortened(message: &str) -> String {
    const LENGTH: usize = 300;
    message.chars().take(LENGTH).collect()
}
