//! Converts errors of the AWS SDK.

use std::error::Error;

use aws_sdk_ssm::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::aws::call_recorder::CallRecorder;
use crate::domain::aws_error::{AwsError, AwsErrorKind};

/// Classifies the error of a call. Keeps the message of AWS or the name of the transport error. Keeps nothing of a
/// response that could not be parsed, since it may hold values.
pub(crate) fn convert<E>(error: &SdkError<E, HttpResponse>, recorder: &CallRecorder) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let request_id = recorder.request_id();
    let without_code = |kind, message| AwsError { kind, code: None, message, request_id: request_id.clone() };
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let (code, message) = (service.err().code(), service.err().message().unwrap_or_default());
            match code {
                Some(code) => AwsError {
                    kind: AwsErrorKind::classify(code, message, Some(status)),
                    code: Some(code.to_owned()),
                    // If a signature does not match, the further lines repeat the request, session token included.
                    message: message.lines().next().unwrap_or_default().to_owned(),
                    request_id,
                },
                None => without_code(AwsErrorKind::ServiceUnavailable, format!("HTTP status {status}")),
            }
        }
        SdkError::TimeoutError(_) => {
            without_code(AwsErrorKind::EndpointUnreachable, "the request timed out".to_owned())
        }
        SdkError::ResponseError(response) => {
            let status = response.raw().status();
            let message = format!("the response, with HTTP status {status}, could not be read");
            without_code(AwsErrorKind::ServiceUnavailable, message)
        }
        other => {
            if let Some(error) = failed_credentials(other) {
                return error;
            }
            let kind = if concerns_credentials(&messages(other)) {
                AwsErrorKind::CredentialsInvalid
            } else {
                AwsErrorKind::EndpointUnreachable
            };
            without_code(kind, root_cause(other))
        }
    }
}

impl AwsError {
    /// Returns the error for credentials that could not be loaded.
    pub(crate) fn of_credentials(error: &(dyn Error + 'static)) -> Self {
        failed_credentials(error).unwrap_or_else(|| Self {
            kind: AwsErrorKind::CredentialsInvalid,
            code: None,
            message: root_cause(error),
            request_id: None,
        })
    }
}

/// Returns the error of the call of STS that should have provided the credentials of another call.
fn failed_credentials(error: &(dyn Error + 'static)) -> Option<AwsError> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<AwsError>() {
            return Some(error.clone());
        }
        cause = error.source();
    }
    None
}

/// Returns the message of the innermost error, which holds no content. Leaves out the request id, which differs at each
/// attempt, so that the same error gives the same message.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let message = match last.downcast_ref::<ErrorMetadata>() {
        Some(error) => format!("{}: {}", error.code().unwrap_or("no code"), error.message().unwrap_or("no message")),
        None => last.to_string(),
    };
    // The region chain and others append a list of every attempt; the first line is the summary.
    message.lines().next().unwrap_or_default().trim_end_matches(". Attempted:").to_owned()
}

/// Returns the messages of an error and of all its causes.
fn messages(error: &dyn Error) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        messages.push(error.to_string());
        cause = error.source();
    }
    messages
}

fn concerns_credentials(messages: &[String]) -> bool {
    messages.iter().any(|message| message.contains("credentials") || message.contains("identity"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::operation::get_parameters::GetParametersError;

    use super::*;

    #[test]
    fn the_message_of_a_refused_role_is_the_same_at_each_attempt() {
        let refused = |id: &str| {
            let answer =
                ErrorMetadata::builder().code("AccessDenied").message("Not yours.").custom("aws_request_id", id);
            root_cause(&answer.build())
        };
        assert_eq!(refused("1"), "AccessDenied: Not yours.");
        assert_eq!(refused("1"), refused("2"));
    }

    #[test]
    fn only_the_first_line_of_a_signature_error_is_kept() {
        let message = "The signature does not match.\n\nThe Canonical String should have been\nx-amz-security-token:T";
        let metadata = ErrorMetadata::builder().code("InvalidSignatureException").message(message).build();
        let status = 400.try_into().expect("a status");
        let error =
            SdkError::service_error(GetParametersError::generic(metadata), HttpResponse::new(status, "".into()));
        let error = convert(&error, &CallRecorder::default());
        assert_eq!(error.kind, AwsErrorKind::CredentialsInvalid);
        assert_eq!(error.message, "The signature does not match.");
    }
}
