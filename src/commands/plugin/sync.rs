//! `sync`: lets the operator read now, and waits until it has.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt, stream};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    api::{Condition, ConditionType, SecureParameter, SecureParameterStatus, SharedStatus},
    cli::SyncArgs,
    commands::plugin::{printed::Printed, text::count},
    kubernetes::user_session::{UserSession, Waited},
};

/// How many syncs are waited for at a time: each has a watch.
const CONCURRENT_SYNCS: usize = 32;

/// Asks for a sync of each object, and waits for many of them at once.
///
/// # Errors
/// One sentence, if the objects cannot be listed or there are none.
pub(super) async fn sync(session: &UserSession, args: SyncArgs) -> Result<Printed, String> {
    let mut names = if args.all { names(session).await? } else { args.names };
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let until = Instant::now() + args.timeout;
    let syncs = names.iter().map(|name| sync_one(session, name, args.timeout, until));
    let synced: Vec<_> = stream::iter(syncs).buffered(CONCURRENT_SYNCS).collect().await;
    Ok(Printed::lines(synced))
}

async fn names(session: &UserSession) -> Result<Vec<String>, String> {
    let objects = session.secure_parameters().await?;
    let active = objects.into_iter().filter(|object| !object.spec.is_suspended());
    let names: Vec<_> = active.filter_map(|object| object.metadata.name).collect();
    if names.is_empty() {
        return Err(format!("There is no SecureParameter to sync in namespace {}.", session.namespace()));
    }
    Ok(names)
}

/// Returns a sentence about what came of it.
///
/// # Errors
/// One sentence, if it was not synced.
async fn sync_one(session: &UserSession, name: &str, limit: Duration, until: Instant) -> Result<String, String> {
    let title = format!("SecureParameter {}/{name}", session.namespace());
    let before = session.object(name).await?;
    if before.spec.is_suspended() {
        return Err(format!("{title} is suspended, so nothing is read; let it go on with kubectl secureparam resume."));
    }
    let token = Uuid::new_v4().to_string();
    let asked = session.request_sync(name, &token).await?;
    if limit.is_zero() {
        return Ok(format!("{title} will be synced."));
    }
    let is_over = |object: &SecureParameter| outcome(object, &asked, &token).is_some();
    match session.wait(name, until.saturating_duration_since(Instant::now()), is_over).await? {
        Waited::Holds(object) => match outcome(&object, &asked, &token) {
            Some(Outcome::Synced) => Ok(format!("{title} is in sync: {}.", contents(object.status.as_ref()))),
            _ => Err(format!("{title} was not synced: {}", reason(object.status.as_ref()))),
        },
        Waited::Deleted => Err(format!("{title} was deleted meanwhile.")),
        Waited::TimedOut => {
            let object = session.object(name).await?;
            let seconds = limit.as_secs();
            Err(format!("{title} was not synced within {seconds} s: {}", reason(object.status.as_ref())))
        }
    }
}

/// How a sync ended.
enum Outcome {
    Synced,
    Failed,
}

/// Returns how the sync with this token ended; `None` while it has not. The operator repeats the token only of a sync that
/// succeeded. One that fails shows in the status if it was not as bad before.
fn outcome(object: &SecureParameter, asked: &SecureParameter, token: &str) -> Option<Outcome> {
    let status = object.status.as_deref()?;
    let is_echoed = status.last_handled_sync.as_deref() == Some(token);
    if is_echoed && status.is_ready() {
        return Some(Outcome::Synced);
    }
    let stalled = status.condition(ConditionType::Stalled)?;
    let before = asked.status.as_deref().and_then(|status| status.condition(ConditionType::Stalled));
    let is_news = before.is_none_or(|before| (&before.reason, &before.message) != (&stalled.reason, &stalled.message));
    (is_echoed || is_news).then_some(Outcome::Failed)
}

fn contents(status: Option<&SharedStatus>) -> String {
    let number = |number: Option<i32>| number.and_then(|number| usize::try_from(number).ok()).unwrap_or_default();
    let keys = status.and_then(|status| status.secret.as_ref());
    let (name, keys) = keys.map_or(("", 0), |secret| (secret.name.as_str(), number(Some(secret.keys))));
    let parameters = number(status.and_then(|status| status.parameter_count));
    format!("Secret {name} has {} from {}", count(keys, "key"), count(parameters, "parameter"))
}

fn reason(status: Option<&SharedStatus>) -> String {
    let ready = status.and_then(|status| SecureParameterStatus::condition(status, ConditionType::Ready));
    ready.map_or_else(
        || "the operator has not reported on it; check that it runs.".to_owned(),
        |Condition { reason, message, .. }| format!("{reason}: {message}"),
    )
}
