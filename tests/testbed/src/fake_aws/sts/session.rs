//! Sessions of roles.

use std::collections::BTreeMap;

use serde_json::json;

use super::request::Request;
use super::roles::Role;
use super::token::WebIdentity;
use crate::fake_aws::arn::Arn;
use crate::fake_aws::clock;
use crate::fake_aws::error::{AwsError, Outcome};
use crate::fake_aws::form::element;
use crate::fake_aws::identity::{Identity, Principal, Session};
use crate::fake_aws::service::Reply;
use crate::fake_aws::world::{Context, World};

/// What a session inherits from the session that assumes its role. The session policy is not inherited.
#[derive(Default)]
pub(super) struct Inherited {
    /// Transitive tags.
    pub tags: BTreeMap<String, String>,
    /// Source identity, which no later session can change.
    pub source_identity: Option<String>,
}

impl From<&Identity> for Inherited {
    fn from(caller: &Identity) -> Self {
        let session = caller.session();
        Self {
            tags: session.map(|session| session.transitive_tags.clone()).unwrap_or_default(),
            source_identity: session.and_then(|session| session.source_identity.clone()),
        }
    }
}

impl Inherited {
    /// A request cannot replace what the session inherits.
    pub(super) fn check(&self, request: &Request<'_>) -> Outcome<()> {
        let inherited = |key: &String| self.tags.keys().any(|tag| tag.eq_ignore_ascii_case(key));
        if request.tags.keys().any(inherited) {
            let message = "One of the specified transitive tag keys can't be set because it conflicts with a \
                           transitive tag key from the calling session.";
            return Err(AwsError::new("InvalidParameterValue", message));
        }
        match (&self.source_identity, &request.source_identity) {
            (Some(old), Some(new)) if old != new => {
                let message = "The source identity cannot be changed in a chain of roles.";
                Err(AwsError::new("AccessDenied", message).with_status(403))
            }
            _ => Ok(()),
        }
    }
}

/// A session and the share of the space for its policy and tags, in per cent.
pub(super) struct Started {
    identity: Identity,
    packed_percent: Option<usize>,
}

/// Starts a session, whose credentials are valid from now on.
pub(super) fn start(
    world: &mut World,
    context: &Context,
    role: &Role,
    request: Request<'_>,
    inherited: Inherited,
    token: Option<&WebIdentity>,
) -> Outcome<Started> {
    if request.seconds > role.max_session_seconds {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(AwsError::new("ValidationError", message));
    }
    let packed_percent = world.roles.packed_percent(request.size)?;
    let lifetime_ms = world.roles.lifetime_ms.unwrap_or(request.seconds * 1000);
    let mut transitive_tags = inherited.tags;
    transitive_tags.extend(request.tags.clone().into_iter().filter(|(key, _)| request.transitive.contains(key)));
    let mut tags = role.tags.clone();
    for (key, value) in request.tags.into_iter().chain(transitive_tags.clone()) {
        // A tag of the session replaces one of the role, whatever its case.
        tags.retain(|other, _| !other.eq_ignore_ascii_case(&key));
        tags.insert(key, value);
    }
    let partition = Arn::parse(&role.arn).map_or("aws", |arn| arn.partition);
    let mut identity =
        Identity::assumed_role(role.account(), role.name(), request.session_name).in_partition(partition);
    identity.policy.clone_from(&role.policy);
    identity.tags = tags;
    identity.principal_id = format!("{}:{}", role.id, request.session_name);
    identity.principal = Principal::AssumedRole(Box::new(Session {
        issuer_arn: role.arn.clone(),
        issuer_id: role.id.clone(),
        role_name: role.name().to_owned(),
        created_ms: context.now_ms,
        expires_ms: Some(context.now_ms + lifetime_ms),
        source_identity: inherited.source_identity.or(request.source_identity),
        federated_provider: token.map(|token| token.provider.clone()),
        policy: request.policy,
        transitive_tags,
        revoked: false,
    }));
    world.identities.add(identity.clone());
    Ok(Started { identity, packed_percent })
}

/// Starts a session for a service of AWS that passes transitive tags. Returns `None` if the role does not exist or does not
/// trust the service.
pub(in crate::fake_aws) fn start_for_service<'a>(
    world: &mut World,
    context: &Context,
    service: &str,
    role: &str,
    name: &str,
    tags: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<Identity> {
    let role = world.roles.get(role)?.clone();
    let tags: BTreeMap<String, String> = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let request = Request {
        role: &role.arn,
        session_name: name,
        seconds: role.max_session_seconds,
        policy: None,
        source_identity: None,
        external_id: None,
        transitive: tags.keys().cloned().collect(),
        size: 0,
        tags,
    };
    if !role.trusts_service(service, &request) {
        return None;
    }
    start(world, context, &role, request, Inherited::default(), None).ok().map(|started| started.identity)
}

/// The response, with elements that only one operation has.
pub(super) fn answer(started: &Started, more: &str) -> Reply {
    let Started { identity, packed_percent } = started;
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
    let packed = packed_percent.map(|percent| element("PackedPolicySize", &percent.to_string())).unwrap_or_default();
    let children = format!(
        "<Credentials>{}</Credentials><AssumedRoleUser>{}</AssumedRoleUser>{packed}{source_element}{more}",
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
    if let Some(percent) = packed_percent {
        elements["packedPolicySize"] = json!(percent);
    }
    Reply::xml(children).with_elements(elements)
}
