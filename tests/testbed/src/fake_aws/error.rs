//! An AWS error answer, before it becomes JSON or XML.

/// A refusal or failure as the caller will read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AwsError {
    /// Exception name, the `__type` of JSON and the `Code` of XML.
    pub code: String,
    /// The sentence for a person.
    pub message: String,
    /// HTTP status.
    pub status: u16,
}

impl AwsError {
    /// A client error: HTTP 400, as nearly all of them are.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: 400 }
    }

    /// The same error under another HTTP status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The input broke a rule of the service.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// A constraint of the service model was broken; AWS words all of these alike.
    pub fn constraint(value: &str, field: &str, constraint: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
        ))
    }
}

/// What every operation comes back with.
pub(super) type Outcome<T> = Result<T, AwsError>;
