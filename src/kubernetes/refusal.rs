//! What a request that failed says to people.

use std::error::Error as _;

use kube::Error;

use crate::leadership::NotLeading;

/// Most characters of the API server's message that are passed on.
const MESSAGE_LENGTH: usize = 300;

/// Returns why a request failed: what the API server answered, or why there is no answer.
pub(crate) fn describe(error: &Error) -> String {
    match error {
        Error::Api(status) => {
            let message: String = status.message.chars().take(MESSAGE_LENGTH).collect();
            format!("the API server answered {}: {message}", status.code)
        }
        error if is_not_leading(error) => NotLeading.to_string(),
        _ => "the API server cannot be reached".to_owned(),
    }
}

/// Reports whether the request was not sent, because this process does not hold the Lease. That is logged once, where the
/// Lease is lost.
pub(crate) fn is_not_leading(error: &Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<NotLeading>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_not_sent_does_not_accuse_the_api_server() {
        let lost = Error::Service(NotLeading.into());
        assert!(is_not_leading(&lost));
        assert!(describe(&lost).contains("does not hold the Lease"), "{}", describe(&lost));
        let unreachable = Error::Service("connection refused".into());
        assert!(!is_not_leading(&unreachable));
        assert_eq!(describe(&unreachable), "the API server cannot be reached");
    }
}
