//! `AssumeRole` and `AssumeRoleWithWebIdentity`.

use serde_json::{Value, json};

use super::roles::{Role, WebIdentity};
use super::token;
use crate::fake_aws::clock;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::form::element;
use crate::fake_aws::iam::{Statement, parse_policy};
use crate::fake_aws::identity::{Identity, Principal, Session};
use crate::fake_aws::service::Reply;
use crate::fake_aws::world::{Context, World};

const SHORTEST_SECONDS: i64 = 900;
const LONGEST_SECONDS: i64 = 43_200;
const CHAINED_SECONDS: i64 = 3600;

/// Input that both operations have in common.
struct Request<'a> {
    session_name: &'a str,
    seconds: i64,
    policy: Option<Vec<Statement>>,
    source_identity: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn parse(input: &'a Value) -> Outcome<Self> {
        let session_name = session_word(input, "RoleSessionName")?.unwrap_or_default();
        if session_name.is_empty() {
            return Err(constraint("null", "roleSessionName", "Member must not be null"));
        }
        let policy = match input["Policy"].as_str() {
            Some(document) => Some(read_policy(document)?),
            None => None,
        };
        Ok(Self {
            session_name,
            seconds: duration(input)?,
            policy,
            source_identity: session_word(input, "SourceIdentity")?,
        })
    }
}

fn duration(input: &Value) -> Outcome<i64> {
    let Some(text) = input["DurationSeconds"].as_str() else {
        return Ok(CHAINED_SECONDS);
    };
    let seconds = text.parse().unwrap_or_default();
    let relation = match seconds {
        ..SHORTEST_SECONDS => "greater than or equal to 900",
        SHORTEST_SECONDS..=LONGEST_SECONDS => return Ok(seconds),
        _ => "less than or equal to 43200",
    };
    Err(constraint(text, "durationSeconds", &format!("Member must have value {relation}")))
}

fn read_policy(document: &str) -> Outcome<Vec<Statement>> {
    if document.len() > 2048 {
        return Err(constraint(document, "policy", "Member must have length less than or equal to 2048"));
    }
    let malformed = || AwsError::new("MalformedPolicyDocument", "Syntax errors in policy.");
    parse_policy(document).ok_or_else(malformed)
}

/// A field with the character set of session names: 2 to 64 of `[\w+=,.@-]`.
fn session_word<'a>(input: &'a Value, field: &str) -> Outcome<Option<&'a str>> {
    let Some(text) = input[field].as_str() else {
        return Ok(None);
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if (2..=64).contains(&text.len()) && text.chars().all(good) {
        return Ok(Some(text));
    }
    let name = field[..1].to_ascii_lowercase() + &field[1..];
    Err(constraint(text, &name, "Member must satisfy regular expression pattern: [\\w+=,.@-]*"))
}

/// `AssumeRole`.
pub(super) fn assume_role(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let request = Request::parse(input)?;
    let arn = input["RoleArn"].as_str().unwrap_or_default();
    let caller = &context.caller;
    let refused = || {
        let message = format!("User: {} is not authorized to perform: sts:AssumeRole on resource: {arn}", caller.arn);
        AwsError::new("AccessDenied", message).with_status(403)
    };
    // The error is the same for a missing role, as in AWS.
    let role = world.roles.get(arn).filter(|role| role.trusts(&caller.arn, input["ExternalId"].as_str()));
    let role = role.ok_or_else(refused)?.clone();
    world
        .authorize(context, "sts:AssumeRole", arn)
        .map_err(|error| AwsError::new("AccessDenied", error.message).with_status(403))?;
    if caller.session().is_some() && request.seconds > CHAINED_SECONDS {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(AwsError::new("ValidationError", message));
    }
    let inherited = caller.session().and_then(|session| session.source_identity.clone());
    let identity = start_session(world, context, &role, request, inherited, None)?;
    Ok(answer(&identity, ""))
}

/// `AssumeRoleWithWebIdentity`.
pub(super) fn with_web_identity(world: &mut World, context: &Context, input: &Value) -> Outcome<Reply> {
    let request = Request::parse(input)?;
    let token = token::read(&world.roles, input["WebIdentityToken"].as_str().unwrap_or_default())?;
    let arn = input["RoleArn"].as_str().unwrap_or_default();
    let role = world.roles.get(arn).filter(|role| role.trusts_subject(&token.subject)).cloned().ok_or_else(|| {
        AwsError::new("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity").with_status(403)
    })?;
    let identity = start_session(world, context, &role, request, None, Some(&token))?;
    let WebIdentity { subject, audience, provider } = &token;
    let more =
        [element("SubjectFromWebIdentityToken", subject), element("Audience", audience), element("Provider", provider)];
    Ok(answer(&identity, &more.concat()))
}

/// The caller of an unsigned request, for the record.
pub(super) fn bearer(world: &World, input: &Value) -> Outcome<Identity> {
    let token = token::read(&world.roles, input["WebIdentityToken"].as_str().unwrap_or_default())?;
    let account = input["RoleArn"].as_str().and_then(|arn| arn.split(':').nth(4)).unwrap_or_default();
    Ok(Identity {
        access_key_id: String::new(),
        principal_id: format!("{}:{}:{}", token.provider, token.audience, token.subject),
        principal: Principal::WebIdentity { provider: token.provider, subject: token.subject },
        ..Identity::user(account, "")
    })
}

fn start_session(
    world: &mut World,
    context: &Context,
    role: &Role,
    request: Request<'_>,
    inherited_source: Option<String>,
    token: Option<&WebIdentity>,
) -> Outcome<Identity> {
    if request.seconds > role.max_session_seconds {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(AwsError::new("ValidationError", message));
    }
    let mut identity = Identity::assumed_role(role.account(), role.name(), request.session_name);
    identity.policy.clone_from(&role.policy);
    identity.principal_id = format!("{}:{}", role.id, request.session_name);
    identity.principal = Principal::AssumedRole(Box::new(Session {
        issuer_arn: role.arn.clone(),
        issuer_id: role.id.clone(),
        role_name: role.name().to_owned(),
        created_ms: context.now_ms,
        expires_ms: Some(context.now_ms + request.seconds * 1000),
        // Once set, all further sessions inherit it.
        source_identity: inherited_source.or_else(|| request.source_identity.map(str::to_owned)),
        federated_provider: token.map(|token| token.provider.clone()),
        policy: request.policy,
    }));
    world.identities.add(identity.clone());
    Ok(identity)
}

fn answer(identity: &Identity, more: &str) -> Reply {
    let session = identity.session();
    let expiration = session.and_then(|session| session.expires_ms).map(clock::iso).unwrap_or_default();
    let source = session.and_then(|session| session.source_identity.as_deref());
    let credentials = [
        element("AccessKeyId", &identity.access_key_id),
        element("SecretAccessKey", &identity.secret_access_key),
        element("SessionToken", identity.session_token.as_deref().unwrap_or_default()),
        element("Expiration", &expiration),
    ];
    let user = [element("AssumedRoleId", &identity.principal_id), element("Arn", &identity.arn)];
    let source_element = source.map(|source| element("SourceIdentity", source)).unwrap_or_default();
    let children = format!(
        "<Credentials>{}</Credentials><AssumedRoleUser>{}</AssumedRoleUser>{source_element}{more}",
        credentials.concat(),
        user.concat()
    );
    // Records contain the access key id, not the secret access key.
    let mut elements = json!({
        "credentials": {"accessKeyId": identity.access_key_id, "expiration": expiration},
        "assumedRoleUser": {"assumedRoleId": identity.principal_id, "arn": identity.arn},
    });
    if let Some(source) = source {
        elements["sourceIdentity"] = json!(source);
    }
    Reply::xml(children).with_elements(elements)
}

/// The query protocol says `ValidationError` where JSON services say `ValidationException`.
fn constraint(value: &str, field: &str, constraint: &str) -> AwsError {
    AwsError::new("ValidationError", AwsError::constraint(value, field, constraint).message)
}
