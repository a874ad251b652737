//! From the SDK's errors to the operator's.

use std::error::Error;

use aws_sdk_ssm::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::aws::call_recorder::CallRecorder;
use crate::domain::audit::aws_error::{AwsError, AwsErrorKind};

/// Classifies a failed call. Only AWS' own message and the names of transport errors are kept: what could not be parsed
/// might hold anything, so nothing of it is.
pub(crate) fn convert<E>(error: &SdkError<E, HttpResponse>, capture: &CallRecorder) -> AwsError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let request_id = capture.request_id();
    let without_code = |kind, message| AwsError { kind, code: None, message, request_id: request_id.clone() };
    match error {
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            let (code, message) = (service.err().code(), service.err().message().unwrap_or_default());
            match code {
                Some(code) => AwsError {
                    kind: AwsErrorKind::classify(code, message, Some(status)),
                    code: Some(code.to_owned()),
                    // Where a signature does not match, the request that AWS signed follows, session token included.
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
            let message = format!("the answer, with HTTP status {status}, could not be read");
            without_code(AwsErrorKind::ServiceUnavailable, message)
        }
        other => {
            let is_of_credentials = concerns_credentials(&chain(other));
            let kind =
                if is_of_credentials { AwsErrorKind::CredentialsInvalid } else { AwsErrorKind::EndpointUnreachable };
            without_code(kind, last_cause(other))
        }
    }
}

/// What came of it in the end, in the SDK's words, which hold no content. Without the request id, which differs with
/// every attempt: what stays the same must read the same.
pub(crate) fn last_cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let said = match last.downcast_ref::<ErrorMetadata>() {
        Some(answer) => {
            format!("{}: {}", answer.code().unwrap_or("no code"), answer.message().unwrap_or("no message"))
        }
        None => last.to_string(),
    };
    // Of a list of everything that was tried, the first line says what came of it.
    said.lines().next().unwrap_or_default().trim_end_matches(". Attempted:").to_owned()
}

/// The messages of an error and of all its causes.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut chain = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    chain
}

fn concerns_credentials(chain: &[String]) -> bool {
    chain.iter().any(|message| message.contains("credentials") || message.contains("identity"))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ssm::operation::get_parameters::GetParametersError;

    use super::*;

    #[test]
    fn a_refused_role_reads_the_same_at_every_attempt() {
        let refused = |id: &str| {
            let answer =
                ErrorMetadata::builder().code("AccessDenied").message("Not yours.").custom("aws_request_id", id);
            last_cause(&answer.build())
        };
        assert_eq!(refused("1"), "AccessDenied: Not yours.");
        assert_eq!(refused("1"), refused("2"));
    }

    #[test]
    fn what_follows_a_signature_error_is_not_kept() {
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
