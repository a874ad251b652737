//! Everything the fake knows, and the way of one call through it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use uuid::Uuid;

use super::clock;
use super::error::{AwsError, Outcome};
use super::fault::{self, Fault, Faults};
use super::iam::Rules;
use super::identity::{Identities, Identity};
use super::kms::KeyRing;
use super::quota::Quotas;
use super::recorder::{Recorder, Via};
use super::secrets::Secrets;
use super::service::{Call, Reply};
use super::sigv4::Signed;
use super::ssm::{Shelf, Tokens};
use super::sts::Roles;

/// Who calls, where and when.
pub(super) struct Context {
    /// The principal.
    pub caller: Arc<Identity>,
    /// Region of the signature's scope.
    pub region: String,
    /// Also in the header of the answer.
    pub request_id: String,
    /// Clock of the service; its second is the `Date` of the answer.
    pub now_ms: i64,
    /// As sent.
    pub user_agent: String,
    /// As sent.
    pub host: String,
    /// The test itself is at work: everything is allowed and nothing is recorded.
    pub behind_the_scenes: bool,
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
    pub parameters: Shelf,
    /// What the tokens of lists are made with.
    pub tokens: Tokens,
    /// All secrets of Secrets Manager.
    pub secrets: Secrets,
    /// All keys and aliases.
    pub keys: KeyRing,
    /// Throughput limits.
    pub quotas: Quotas,
    /// Planned failures.
    pub faults: Faults,
    /// Audit trail and counters.
    pub recorder: Recorder,
    /// Added to every call.
    pub latency: Duration,
    /// How far the service's clock is ahead of the machine's.
    pub clock_offset_ms: i64,
}

/// An answer, ready for HTTP.
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
    /// The service's clock.
    pub fn now(&self) -> i64 {
        clock::system() + self.clock_offset_ms
    }

    /// A context in which the test may do anything, unseen.
    pub fn behind_the_scenes(&self, account: &str, region: &str) -> Context {
        Context {
            caller: Arc::new(Identity::user(account, "test")),
            region: region.to_owned(),
            request_id: Uuid::new_v4().to_string(),
            now_ms: self.now(),
            user_agent: String::new(),
            host: String::new(),
            behind_the_scenes: true,
        }
    }

    /// Lets a caller pass or says why not.
    pub fn authorize(&self, context: &Context, action: &str, resource: &str) -> Outcome<()> {
        self.authorize_shared(context, action, resource, false)
    }

    /// The same for a resource whose own policy may have granted it already.
    pub fn authorize_shared(&self, context: &Context, action: &str, resource: &str, granted: bool) -> Outcome<()> {
        if context.behind_the_scenes {
            return Ok(());
        }
        self.rules.authorize(&context.caller, action, resource, granted)
    }

    /// Notes the arrival of a call: what will go wrong with it, and how long it takes.
    pub fn arrive(&mut self, operation: &str) -> (Option<Fault>, Duration) {
        self.recorder.count_call(operation);
        (self.faults.take(operation), self.latency)
    }

    /// Answers a call.
    pub fn answer(&mut self, call: &Call, request: Signed<'_>, fault: Option<Fault>) -> Answer {
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
        Answer { status, content_type, body, request_id, now_ms }
    }

    fn authenticate(&mut self, call: &Call, request: Signed<'_>, request_id: &str, now_ms: i64) -> Outcome<Context> {
        let (caller, region) = super::authentication::caller(self, call, request, now_ms)?;
        Ok(Context {
            caller,
            region,
            request_id: request_id.to_owned(),
            now_ms,
            user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
            host: request.header("host").unwrap_or_default().to_owned(),
            behind_the_scenes: false,
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
            // Afterwards, because some calls make the resource that they name.
            let mut event = call.service.event(self, context, &call.operation, &call.input);
            event.response = outcome.as_ref().map_or(Value::Null, |reply| reply.elements.clone());
            self.recorder.record(context, event, outcome.as_ref().err(), Via::Direct);
        }
        outcome
    }
}
