//! Authentication: finds the caller of a signed request.

use std::sync::Arc;

use super::arn::{Arn, partition};
use super::clock;
use super::error::{AwsError, Outcome};
use super::identity::{Identity, Standing};
use super::service::{Call, Service};
use super::sigv4::{Authorization, Signed};
use super::world::World;
use super::{DEFAULT_REGION, sts};

/// Largest difference between the clocks of caller and service.
const SKEW_MS: i64 = 5 * 60 * 1000;

/// Reasons to refuse a caller. Each service words them differently.
enum Rejection {
    Missing,
    Incomplete,
    Unknown,
    Expired,
    Signature(String),
}

impl Rejection {
    fn error(self, service: Service) -> AwsError {
        let sts = service == Service::Sts;
        let (json, query, message) = match self {
            Self::Missing => (
                "MissingAuthenticationTokenException",
                "MissingAuthenticationToken",
                "Missing Authentication Token".to_owned(),
            ),
            Self::Incomplete => (
                "IncompleteSignatureException",
                "IncompleteSignature",
                "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.".to_owned(),
            ),
            Self::Unknown => (
                "UnrecognizedClientException",
                "InvalidClientTokenId",
                "The security token included in the request is invalid.".to_owned(),
            ),
            Self::Expired => (
                "ExpiredTokenException",
                "ExpiredToken",
                "The security token included in the request is expired".to_owned(),
            ),
            Self::Signature(message) => ("InvalidSignatureException", "SignatureDoesNotMatch", message),
        };
        let error = AwsError::new(if sts { query } else { json }, message);
        if sts { error.with_status(403) } else { error }
    }
}

/// The caller and the region of the request.
pub(super) fn caller(world: &World, call: &Call, request: Signed<'_>, now_ms: i64) -> Outcome<(Arc<Identity>, String)> {
    if let Some(bearer) = sts::unsigned_caller(world, call)? {
        return Ok((Arc::new(bearer), region_of_host(request).to_owned()));
    }
    signed_caller(world, call.service, request, now_ms).map_err(|rejection| rejection.error(call.service))
}

/// The region of a request without a signature: `sts.<region>.`, or the default.
fn region_of_host(request: Signed<'_>) -> &str {
    let mut labels = request.header("host").unwrap_or_default().split('.');
    match (labels.next(), labels.next()) {
        (Some("sts" | "sts-fips"), Some(region)) if region.matches('-').count() >= 2 => region,
        _ => DEFAULT_REGION,
    }
}

fn signed_caller(
    world: &World,
    service: Service,
    request: Signed<'_>,
    now_ms: i64,
) -> Result<(Arc<Identity>, String), Rejection> {
    let header = request.header("authorization").ok_or(Rejection::Missing)?;
    let authorization = Authorization::parse(header).ok_or(Rejection::Incomplete)?;
    let identity = match world.identities.standing(&authorization.access_key_id, now_ms) {
        Standing::Valid(identity) => identity,
        Standing::Expired => return Err(Rejection::Expired),
        Standing::Unknown => return Err(Rejection::Unknown),
    };
    // Each partition has credentials of its own.
    if Arn::parse(&identity.arn).is_some_and(|arn| arn.partition != partition(&authorization.region)) {
        return Err(Rejection::Unknown);
    }
    if request.header("x-amz-security-token") != identity.session_token.as_deref() {
        return Err(Rejection::Unknown);
    }
    if authorization.service != service.signing_name() {
        let expected = service.signing_name();
        let message = format!("Credential should be scoped to correct service: '{expected}'.");
        return Err(Rejection::Signature(message));
    }
    let time = request.header("x-amz-date").ok_or(Rejection::Incomplete)?;
    check_clock(time, now_ms)?;
    if authorization.expected(&identity.secret_access_key, time, request) != authorization.signature {
        let message = "The request signature we calculated does not match the signature you provided. Check your AWS \
                       Secret Access Key and signing method. Consult the service documentation for details.";
        return Err(Rejection::Signature(message.to_owned()));
    }
    Ok((identity, authorization.region))
}

fn check_clock(time: &str, now_ms: i64) -> Result<(), Rejection> {
    let signed = clock::parse_basic(time).ok_or(Rejection::Incomplete)?;
    let now = clock::basic(now_ms);
    let complain = |state: &str, relation: &str, limit: i64, sign: char| {
        let limit = clock::basic(limit);
        let text = format!("Signature {state}: {time} is {relation} {limit} ({now} {sign} 5 min.)");
        Err(Rejection::Signature(text))
    };
    if signed < now_ms - SKEW_MS {
        return complain("expired", "now earlier than", now_ms - SKEW_MS, '-');
    }
    if signed > now_ms + SKEW_MS {
        return complain("not yet current", "still later than", now_ms + SKEW_MS, '+');
    }
    Ok(())
}
