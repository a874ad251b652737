//! One AWS call, as the objects that it was made for report it.

use k8s_openapi::jiff::Timestamp;

use crate::domain::audit::parameter_outcome::ParameterOutcome;

/// One AWS call that was made for an object.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// The operation.
    pub event_name: &'static str,
    /// AWS' request id.
    pub request_id: Option<String>,
    /// Id of the audit record. Stands in where no request id arrived.
    pub audit_id: String,
    /// When AWS answered.
    pub time: Timestamp,
    /// Whether values were asked for.
    pub decrypting: bool,
    /// The result for each parameter.
    pub parameters: Vec<ParameterOutcome>,
    /// Whether the call, or a parameter in it, failed.
    pub failed: bool,
}
