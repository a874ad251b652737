//! AWS errors, independent of JSON and XML.

/// An error of an AWS service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AwsError {
    /// Exception name, the `__type` of JSON and the `Code` of XML.
    pub code: String,
    /// The message.
    pub message: String,
    /// HTTP status.
    pub status: u16,
}

impl AwsError {
    /// A client error, with HTTP status 400.
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: 400 }
    }

    /// The same error under another HTTP status.
    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The input is not valid.
    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    /// The input violates a constraint of the service model.
    pub(super) fn constraint(value: &str, field: &str, constraint: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
        ))
    }
}

/// The result of an operation.
pub(super) type Outcome<T> = Result<T, AwsError>;
