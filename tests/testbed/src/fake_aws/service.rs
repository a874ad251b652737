//! The services behind the port. A new service needs a variant here and a module.

use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::error::{AwsError, Outcome};
use super::recorder::Event;
use super::world::{Context, World};
use super::{clock, form, kms, ssm, sts};

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Systems Manager: Parameter Store.
    Ssm,
    /// Key Management Service.
    Kms,
    /// Security Token Service.
    Sts,
}

/// A call of an operation.
pub(super) struct Call {
    /// The service.
    pub service: Service,
    /// Name of the operation.
    pub operation: String,
    /// Input. Fields of a form are a JSON object of strings.
    pub input: Value,
    /// When it arrived, in milliseconds since 1970, by the clock of this machine.
    pub arrived_ms: i64,
}

/// A successful result.
pub(super) struct Reply {
    body: Body,
    /// `responseElements` of the record.
    pub elements: Value,
}

enum Body {
    Json(Value),
    /// Children of the `...Result` element.
    Xml(String),
}

impl Reply {
    /// A JSON response that records do not contain.
    pub(super) fn json(value: Value) -> Self {
        Self { body: Body::Json(value), elements: Value::Null }
    }

    /// A response of the query protocol.
    pub(super) fn xml(children: String) -> Self {
        Self { body: Body::Xml(children), elements: Value::Null }
    }

    /// The JSON of the response.
    pub(super) fn into_json(self) -> Value {
        match self.body {
            Body::Json(value) => value,
            Body::Xml(_) => Value::Null,
        }
    }

    /// Adds `responseElements` of the record.
    pub(super) fn with_elements(mut self, elements: Value) -> Self {
        self.elements = elements;
        self
    }
}

impl Call {
    /// Parses a request. Returns `None` if no service here knows the operation.
    pub(super) fn parse(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let arrived_ms = clock::system();
        if let Some(target) = headers.get("x-amz-target") {
            let (service, operation) = target.to_str().ok()?.split_once('.')?;
            let service = match service {
                "AmazonSSM" => Service::Ssm,
                "TrentService" => Service::Kms,
                _ => return None,
            };
            // If it is not JSON, the operation reports that in its own protocol.
            let input = serde_json::from_slice(body).unwrap_or_default();
            return Some(Self { service, operation: operation.to_owned(), input, arrived_ms });
        }
        let input = form::parse(body);
        let operation = input["Action"].as_str()?.to_owned();
        Some(Self { service: Service::Sts, operation, input, arrived_ms })
    }
}

impl Service {
    /// Name in the scope of signatures.
    pub(super) fn signing_name(self) -> &'static str {
        match self {
            Self::Ssm => "ssm",
            Self::Kms => "kms",
            Self::Sts => "sts",
        }
    }

    /// Media type of responses.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Ssm | Self::Kms => "application/x-amz-json-1.1",
            Self::Sts => "text/xml",
        }
    }

    /// The internal error of the service.
    pub(super) fn internal_error(self) -> AwsError {
        let code = match self {
            Self::Ssm => "InternalServerError",
            Self::Kms => "KMSInternalException",
            Self::Sts => "InternalFailure",
        };
        AwsError::new(code, "The request processing has failed because of an unknown error.").with_status(500)
    }

    /// Executes an operation.
    pub(super) fn dispatch(
        self,
        world: &mut World,
        context: &Context,
        operation: &str,
        input: &Value,
    ) -> Outcome<Reply> {
        match self {
            Self::Ssm => ssm::dispatch(world, context, operation, input),
            Self::Kms => kms::dispatch(world, context, operation, input),
            Self::Sts => sts::dispatch(world, context, operation, input),
        }
    }

    /// The event fields of the record.
    pub(super) fn event(self, world: &World, context: &Context, operation: &str, input: &Value) -> Event {
        match self {
            Self::Ssm => ssm::event(context, operation, input),
            Self::Kms => kms::event(world, context, operation, input),
            Self::Sts => sts::event(context, operation, input),
        }
    }

    /// HTTP status and body.
    pub(super) fn render(self, operation: &str, outcome: &Outcome<Reply>, request_id: &str) -> (u16, String) {
        match outcome {
            Ok(Reply { body: Body::Json(value), .. }) => (200, value.to_string()),
            Ok(Reply { body: Body::Xml(children), .. }) => (200, sts::success(operation, children, request_id)),
            Err(error) if self == Self::Sts => (error.status, sts::failure(error, request_id)),
            Err(error) => (error.status, json!({"__type": error.code, "message": error.message}).to_string()),
        }
    }
}

/// Parses the input of an operation.
pub(super) fn parse_input<T: DeserializeOwned>(input: &Value) -> Outcome<T> {
    T::deserialize(input).map_err(|_| AwsError::new("SerializationException", "The input does not fit the operation."))
}

/// The operation does not exist here.
pub(super) fn unknown_operation(operation: &str) -> AwsError {
    AwsError::new("UnknownOperationException", format!("Unknown operation: {operation}"))
}
