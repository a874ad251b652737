//! Compares the versions that the informer knows with what was recorded, without a read where that suffices.

use std::borrow::Cow;

use crate::controller::secure_parameter::{
    inputs::{RESYNC_WAITING, ReadContext, shape_of},
    keys::{Recheck, check_again},
};
use crate::{
    api::Reason,
    domain::{
        parameter::revision::{Versions, source_revision},
        plan::types::{Plan, Reads},
        report::attempt::{Attempt, ObservedParameters, Outcome},
        schedule::{
            absence::{Absence, CONFIRM_AFTER, ParameterCount},
            compare::{Comparison, Sides, compare},
            decide::Purpose,
        },
    },
    parameters::{LookupResult, ReadMode, Snapshot},
};

/// Compares the versions of the parameters with those that were recorded. Returns
/// `Ok` only if they changed and have to be read.
///
/// # Errors
/// The attempt, if it ends here: because nothing changed, because something has to be confirmed first, or because a
/// parameter cannot be read.
pub(super) async fn compare_versions(read: ReadContext<'_>, plan: &Plan) -> Result<(Purpose, Absence), Attempt> {
    let inputs = read.inputs;
    let interval = inputs.object.spec.refresh_interval();
    let mut absence = inputs.state.history.absence.clone();
    let known = look_up_if_due(read, plan, &mut absence).await;
    let is_known = known.is_some();
    let resolved = match known {
        Some(known) => resolve(read, plan, known, &mut absence)?,
        None => Cow::Borrowed(plan),
    };
    read.watch(&resolved, interval, interval.is_some())?;
    let reads = resolved.reads();
    let known = if is_known { read.reader.snapshot(&reads) } else { Snapshot::Incomplete };
    let versions = match known {
        // Without polling, what the status records stands until something else tells otherwise.
        Snapshot::Incomplete if interval.is_none() => {
            let stands = |absence| unchanged(None, absence);
            return check_keys_again(read, &reads, None, absence, stands).await;
        }
        Snapshot::Incomplete => {
            let attempt = Attempt::waiting(RESYNC_WAITING, Reason::Progressing);
            return Err(Attempt { absence: Some(absence), ..attempt });
        }
        Snapshot::Complete { versions, errors, accesses } => match read.reader.fault(&errors) {
            Some(fault) => return Err(Attempt { accesses, absence: Some(absence), ..Attempt::from(fault) }),
            None => versions,
        },
    };
    match compare_with_status(read, plan, &reads, &versions, &mut absence)? {
        Comparison::Same => {
            let known = versions.clone();
            let verified = |_| verified(read, plan, versions);
            check_keys_again(read, &reads, Some(&known), absence, verified).await
        }
        Comparison::Unconfirmed => Err(unchanged(Some(CONFIRM_AFTER), absence)),
        Comparison::Changed => Ok((Purpose::ParameterChanged, absence)),
    }
}

/// Checks the keys of what is as it was. Returns `Ok` only if a read has to tell them.
///
/// # Errors
/// What `stands` makes of it if the keys are granted; otherwise the attempt with the refusal.
async fn check_keys_again(
    read: ReadContext<'_>,
    reads: &Reads<'_>,
    versions: Option<&Versions>,
    absence: Absence,
    stands: impl FnOnce(Absence) -> Attempt,
) -> Result<(Purpose, Absence), Attempt> {
    match check_again(read, reads, versions).await {
        Ok(Recheck::Granted) => Err(stands(absence)),
        Ok(Recheck::Read) => Ok((Purpose::Revalidation, absence)),
        Err(fault) => Err(Attempt { absence: Some(absence), ..Attempt::from(fault) }),
    }
}

fn compare_with_status(
    read: ReadContext<'_>,
    plan: &Plan,
    reads: &Reads<'_>,
    versions: &Versions,
    absence: &mut Absence,
) -> Result<Comparison, Attempt> {
    let state = &read.inputs.state;
    let current = source_revision(&read.connection.source, versions);
    let counts = parameter_count(read, plan, versions.values().flatten().count());
    let sides = Sides { recorded: state.status.source_revision(), current: &current, reads, versions, counts };
    compare(&sides, absence, read.inputs.uptime)
        .map_err(|fault| Attempt { absence: Some(absence.clone()), ..Attempt::from(fault) })
}

/// The counts that tell whether parameters were deleted while the operator was down.
pub(super) fn parameter_count(read: ReadContext<'_>, plan: &Plan, current: usize) -> ParameterCount {
    let state = &read.inputs.state;
    ParameterCount {
        has_paths: plan.has_paths(),
        is_first: state.shape.is_none(),
        before: state.status.parameter_count.and_then(|count| usize::try_from(count).ok()),
        current,
    }
}

/// What the informer knows of paths and newest versions; paths are listed a second time if that is due.
async fn look_up_if_due(read: ReadContext<'_>, plan: &Plan, absence: &mut Absence) -> Option<LookupResult> {
    let (reader, lookups) = (read.reader, plan.lookups());
    if !absence.is_listing_due(read.inputs.uptime) {
        return reader.cached_lookup(&lookups);
    }
    absence.record_listing();
    let object = read.inputs.audit_reference();
    Some(read.slot.release_while(reader.lookup(&lookups, Purpose::VersionCheck, true, &object)).await)
}

/// Completes a plan with what was looked up.
///
/// # Errors
/// The attempt, if something could not be looked up or the complete plan is refused.
pub(super) fn resolve<'p>(
    read: ReadContext<'_>,
    plan: &'p Plan,
    known: LookupResult,
    absence: &mut Absence,
) -> Result<Cow<'p, Plan>, Attempt> {
    let failed = |fault, absence: &Absence, accesses| Attempt {
        accesses,
        absence: Some(absence.clone()),
        ..Attempt::new(Outcome::Failed { fault, basis: Some(read.basis()) })
    };
    if let Some(fault) = read.reader.fault(&known.errors) {
        absence.record_failed_listing();
        return Err(failed(fault, absence, known.accesses));
    }
    plan.resolve(&known.found, read.authority).map_err(|fault| failed(fault, absence, known.accesses))
}

fn unchanged(wake: Option<std::time::Duration>, absence: Absence) -> Attempt {
    Attempt { absence: Some(absence), ..Attempt::new(Outcome::Unchanged { wake }) }
}

fn verified(read: ReadContext<'_>, plan: &Plan, versions: Versions) -> Attempt {
    let Some(secret) = read.inputs.state.status.written_secret() else {
        return Attempt::new(Outcome::Unchanged { wake: None });
    };
    let keys = read.reader.keys(&versions);
    // Where Parameter Store is to decrypt, nothing is a fallback.
    let fallbacks = (read.connection.mode != ReadMode::Ciphertext).then(Default::default);
    let parameters = ObservedParameters { versions, keys, fallbacks };
    Attempt::new(Outcome::Verified { secret, parameters, shape: shape_of(plan) })
}

/// Holds back a read that failed and would fail again: before its time, or while the informer knows of an error. The
/// informer triggers the object when that changes.
///
/// # Errors
/// The attempt, if the read has to wait or is known to fail.
pub(super) fn check_hold(read: ReadContext<'_>, plan: &Plan, absence: &Absence) -> Result<(), Attempt> {
    let (inputs, basis) = (read.inputs, read.basis());
    let Some(hold) = inputs.state.history.failures.hold.as_ref().filter(|hold| hold.is_for(basis)) else {
        return Ok(());
    };
    let (reader, lookups, known_plan) = (read.reader, plan.lookups(), read.known_plan(plan));
    let reads = known_plan.reads();
    let looked_up = reader.cached_lookup(&lookups).map(|known| (known.errors, known.accesses));
    let known = match reader.snapshot(&reads) {
        Snapshot::Complete { errors, accesses, .. } => Some((errors, accesses)),
        Snapshot::Incomplete => None,
    };
    for (errors, accesses) in [looked_up, known].into_iter().flatten() {
        if errors.values().any(|error| !error.is_outage())
            && let Some(fault) = reader.fault(&errors)
        {
            let attempt = Attempt::new(Outcome::Failed { fault, basis: Some(basis) });
            return Err(Attempt { accesses, absence: Some(absence.clone()), ..attempt });
        }
    }
    let changed_at = reader.changed_at(&reads, &lookups).map(|at| read.context.uptime_at(at));
    match hold.wait(changed_at, inputs.uptime) {
        None => Ok(()),
        Some(wait) => Err(Attempt { absence: Some(absence.clone()), ..Attempt::waiting(wait, hold.reason) }),
    }
}
