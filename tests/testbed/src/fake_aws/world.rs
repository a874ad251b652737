//! All state of the fake, and the execution of a call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::clock;
use super::error::{AwsError, Outcome};
use super::fault::{self, Fault, Faults};
use super::iam::{Access, Rules};
use super::identity::{Identities, Identity};
use super::kms::KeyRing;
use super::quota::Quotas;
use super::recorder::{Recorder, Via};
use super::secrets::Secrets;
use super::service::{Call, Reply};
use super::sigv4::Signed;
use super::ssm::{ParameterIndex, Tokens};
use super::sts::Roles;

/// Caller, region and time of a call.
pub(super) struct Context {
    /// The principal.
    pub caller: Arc<Identity>,
    /// Region of the signature's scope.
    pub region: String,
    /// Request id, also in a header of the response.
    pub request_id: String,
    /// Time of the service. The `Date` header has the same second.
    pub now_ms: i64,
    /// When it arrived, in milliseconds since 1970.
    pub arrived_ms: i64,
    /// As sent.
    pub user_agent: String,
    /// As sent.
    pub host: String,
    /// True for calls of the test itself: everything is allowed and nothing is recorded.
    pub is_test: bool,
}

/// State of all accounts and regions.
#[derive(Default)]
pub(super) struct World {
    /// Known credentials.
    pub identities: Identities,
    /// Roles that may be assumed.
    pub roles: Roles,
    /// Denials of the test.
    pub rules: Rules,
    /// All parameters.
    pub parameters: ParameterIndex,
    /// The key of page tokens.
    pub tokens: Tokens,
    /// All secrets of Secrets Manager.
    pub secrets: Secrets,
    /// All keys and aliases.
    pub keys: KeyRing,
    /// Throughput limits.
    pub quotas: Quotas,
    /// Planned failures.
    pub faults: Faults,
    /// Records and counters.
    pub recorder: Recorder,
    /// Delay of every call.
    pub latency: Duration,
    /// Offset of the service's clock.
    pub clock_offset_ms: i64,
}

/// A response.
pub(super) struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
    /// `x-amzn-requestid`
    pub request_id: String,
    /// `Date`
    pub now_ms: i64,
}

impl World {
    /// The time of the service.
    pub(super) fn now(&self) -> i64 {
        clock::system() + self.clock_offset_ms
    }

    /// The context of a call of the test itself.
    pub(super) fn test_context(&self, account: &str, region: &str) -> Context {
        Context {
            caller: Arc::new(Identity::user(account, "test")),
            region: region.to_owned(),
            request_id: Uuid::new_v4().to_string(),
            now_ms: self.now(),
            arrived_ms: self.now(),
            user_agent: String::new(),
            host: String::new(),
            is_test: true,
        }
    }

    /// Allows an action on a resource, or returns the error of AWS.
    pub(super) fn authorize(&self, context: &Context, action: &str, resource: &str) -> Outcome<()> {
        self.permit(context, Access::new(action, resource))
    }

    /// Allows an access, or returns the error of AWS.
    pub(super) fn permit(&self, context: &Context, access: Access<'_>) -> Outcome<()> {
        if context.is_test {
            return Ok(());
        }
        let caller = &context.caller;
        let policy = self.roles.of_session(caller).map_or(&caller.policy, |role| &role.policy);
        self.rules.authorize(caller, policy.as_deref(), &context.region, access)
    }

    /// Counts a call. Returns its fault and its delay.
    pub(super) fn arrive(&mut self, call: &Call) -> (Option<Fault>, Duration) {
        self.recorder.count_call(&call.operation);
        let of_role = call.input["RoleArn"].as_str().and_then(|arn| self.faults.take(&fault::of_role(arn)));
        (self.faults.take(&call.operation).or(of_role), self.latency)
    }

    /// Executes a call and returns the response.
    pub(super) fn answer(&mut self, call: &Call, request: Signed<'_>, fault: Option<Fault>) -> Answer {
        let (now_ms, request_id) = (self.now(), Uuid::new_v4().to_string());
        let context = self.authenticate(call, request, &request_id, now_ms);
        let outcome = context.and_then(|context| self.carry_out(&context, call, fault));
        let (mut status, mut body) = call.service.render(&call.operation, &outcome, &request_id);
        let mut content_type = call.service.content_type();
        if fault == Some(Fault::Unavailable) {
            let page = "<html><body>Service Unavailable</body></html>";
            (status, content_type, body) = (503, "text/html", page.to_owned());
        }
        if fault == Some(Fault::Malformed) {
            let half = (0..=body.len() / 2).rev().find(|&at| body.is_char_boundary(at)).unwrap_or_default();
            body.truncate(half);
        }
        if fault == Some(Fault::Empty) {
            "{}".clone_into(&mut body);
        }
        Answer { status, content_type, body, request_id, now_ms }
    }

    fn authenticate(&mut self, call: &Call, request: Signed<'_>, request_id: &str, now_ms: i64) -> Outcome<Context> {
        let (caller, region) = super::authentication::caller(self, call, request, now_ms)?;
        Ok(Context {
            caller,
            region,
            request_id: request_id.to_owned(),
            now_ms,
            arrived_ms: call.arrived_ms,
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
            host: request.header("host").unwrap_or_default().to_owned(),
            is_test: false,
        })
    }

    fn carry_out(&mut self, context: &Context, call: &Call, fault: Option<Fault>) -> Outcome<Reply> {
        let account = &context.caller.account;
        let outcome = match fault {
            Some(Fault::Throttle) => Err(fault::throttled()),
            Some(Fault::Internal) => Err(call.service.internal_error()),
            Some(Fault::Unavailable) => return Err(AwsError::new("ServiceUnavailable", "").with_status(503)),
            _ if !self.quotas.admit(account, &context.region, &call.operation, Instant::now()) => {
                Err(fault::throttled())
            }
            _ => call.service.dispatch(self, context, &call.operation, &call.input),
        };
        let missed = outcome.as_ref().is_err_and(|error| {
            call.operation == "GetParameter" && matches!(&*error.code, "ParameterNotFound" | "ParameterVersionNotFound")
        });
        if !missed {
            // Recorded after the call, because some calls create the resource that they name.
            let mut event = call.service.event(self, context, &call.operation, &call.input);
            event.response = outcome.as_ref().map_or(Value::Null, |reply| reply.elements.clone());
            self.recorder.record(context, event, outcome.as_ref().err(), Via::Direct);
        }
        outcome
    }
}
