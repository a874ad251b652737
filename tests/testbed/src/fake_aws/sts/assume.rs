//! `AssumeRole` and `AssumeRoleWithWebIdentity`.

use serde_json::Value;

use super::request::Request;
use super::roles::Role;
use super::session::{self, Inherited};
use super::token::WebIdentity;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::form::element;
use crate::fake_aws::iam::Access;
use crate::fake_aws::identity::{Identity, Principal};
use crate::fake_aws::service::Reply;
use crate::fake_aws::world::{Context, World};

/// Longest session of a caller that is itself a role session (IAM User Guide, role chaining).
const CHAINED_SECONDS: i64 = 3600;

/// `AssumeRole`.
pub(super) fn assume_role(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let request = Request::parse(input)?;
    let caller = &context.caller;
    let inherited = Inherited::from(&**caller);
    // The error is the same for a missing role, as in AWS.
    let trusts = |role: &&Role| role.trusts(caller, "sts:AssumeRole", &request, &context.region);
    let role = world.roles.get(request.role).filter(trusts);
    let role = role.ok_or_else(|| refused(caller, "sts:AssumeRole", request.role))?.clone();
    authorize(world, context, &role, &request, &inherited)?;
    if caller.session().is_some() && request.seconds > CHAINED_SECONDS {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(AwsError::new("ValidationError", message));
    }
    inherited.check(&request)?;
    let started = session::start(world, context, &role, request, inherited, None)?;
    Ok(session::answer(&started, ""))
}

/// Both sides must allow the role, its tags and its source identity: the policy of the caller, and the trust policy.
fn authorize(
    world: &World,
    context: &Context,
    role: &Role,
    request: &Request<'_>,
    inherited: &Inherited,
) -> Outcome<()> {
    let tags = !request.tags.is_empty() || !inherited.tags.is_empty();
    let source = request.source_identity.is_some() || inherited.source_identity.is_some();
    for (action, needed) in [("sts:AssumeRole", true), ("sts:TagSession", tags), ("sts:SetSourceIdentity", source)] {
        if needed && !role.trusts(&context.caller, action, request, &context.region) {
            return Err(refused(&context.caller, action, &role.arn));
        }
        if needed {
            let access = Access::new(action, &role.arn).with_keys(request.keys());
            let denied = |error: AwsError| AwsError::new("AccessDenied", error.message).with_status(403);
            world.permit(context, access).map_err(denied)?;
        }
    }
    Ok(())
}

fn refused(caller: &Identity, action: &str, role: &str) -> AwsError {
    let message = format!("User: {} is not authorized to perform: {action} on resource: {role}", caller.arn);
    AwsError::new("AccessDenied", message).with_status(403)
}

/// `AssumeRoleWithWebIdentity`.
pub(super) fn with_web_identity(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let request = Request::parse(input)?;
    let token = world.roles.issuers.read(input, context.now_ms)?;
    let role =
        world.roles.get(request.role).filter(|role| role.trusts_token(&token, &request)).cloned().ok_or_else(|| {
            AwsError::new("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity").with_status(403)
        })?;
    let started = session::start(world, context, &role, request, Inherited::default(), Some(&token))?;
    let WebIdentity { subject, audience, provider } = &token;
    let more =
        [element("SubjectFromWebIdentityToken", subject), element("Audience", audience), element("Provider", provider)];
    Ok(session::answer(&started, &more.concat()))
}

/// The caller of an unsigned request, for the record.
pub(super) fn bearer(world: &World, input: &Value) -> Outcome<Identity> {
    let token = world.roles.issuers.read(input, world.now())?;
    let account = input["RoleArn"].as_str().and_then(|arn| arn.split(':').nth(4)).unwrap_or_default();
    Ok(Identity {
        access_key_id: String::new(),
        principal_id: format!("{}:{}:{}", token.provider, token.audience, token.subject),
        principal: Principal::WebIdentity { provider: token.provider, subject: token.subject },
        ..Identity::user(account, "")
    })
}
