//! Compares the versions that are known with what was recorded.

use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use tokio::time::Instant;

use crate::controller::secure_parameter::{Done, LOOK_AGAIN, Pass, Passed};
use crate::{
    api::{Reason, status::WrittenSecret},
    controller::{secure_parameter::state::SecondListing, store::connections::StoreConnection},
    domain::{
        Fault,
        access::read_authority::ReadAuthority,
        parameter::{
            name::ParameterRef,
            revision::{Versions, source_revision},
        },
        plan::plan::{Plan, Reads},
        report::{status::Found, text::list},
        schedule::decide::{Purpose, SecretState},
    },
    parameters::{LookupResult, Snapshot},
};

/// How soon an absence of an optional parameter is confirmed.
pub(crate) const CONFIRM_ABSENCE: Duration = Duration::from_secs(5);

impl Pass<'_> {
    /// Compares the versions that the informer has seen with what was recorded.
    pub(crate) async fn compare(
        &mut self,
        session: &StoreConnection,
        plan: &Plan,
        bounds: &ReadAuthority<'_>,
    ) -> Result<Passed, Fault> {
        let interval = self.object.spec.refresh_interval();
        let lookups = plan.lookups();
        let looked_up = if self.is_second_listing_due() {
            Some(session.reader.lookup(&lookups, Purpose::VersionCheck, true, &self.audited()).await)
        } else {
            session.reader.cached_lookup(&lookups)
        };
        let is_looked_up = looked_up.is_some();
        let complete = match looked_up {
            Some(known) => self.resolve(session, plan, known, bounds)?,
            None => Cow::Borrowed(plan),
        };
        let reads = complete.reads();
        self.watch(session, &complete, interval, interval.is_some());
        let before = self.memory.status.clone();
        let unchanged = |pass: &Self, wake| {
            let status = Box::new(pass.subject(&before).unchanged());
            Ok(Passed::Done(Done { status, events: Vec::new(), wake }))
        };
        let known = if is_looked_up { session.reader.snapshot(&reads) } else { Snapshot::Incomplete };
        let versions = match known {
            // Nobody polls: what the status records stands until something else says otherwise.
            Snapshot::Incomplete if interval.is_none() => return unchanged(self, None),
            Snapshot::Incomplete => return Ok(Passed::Waiting(LOOK_AGAIN, Reason::Progressing)),
            Snapshot::Complete { versions, errors, accesses } => {
                self.accesses.extend(accesses);
                match session.reader.fault(&errors) {
                    Some(fault) => return Err(fault),
                    None => versions,
                }
            }
        };
        let revision = source_revision(&session.source, &versions);
        if before.source_revision.as_deref() == Some(revision.as_str()) {
            let Some(secret) = &before.secret else { return unchanged(self, None) };
            return Ok(self.verified(session, plan, secret, &versions));
        }
        let found = versions.values().flatten().count();
        if self.is_stale(&reads, &versions)?
            || self.awaits_second_listing(plan, found)
            || self.awaits_confirmation(&versions)
        {
            return unchanged(self, Some(CONFIRM_ABSENCE));
        }
        if let Some(not_due) = self.failed_read(session, plan, bounds)? {
            return Ok(not_due);
        }
        self.sync(session, plan, bounds, Purpose::ParameterChanged, SecretState::Intact).await
    }

    /// Everything is as recorded.
    fn verified(
        &mut self,
        session: &StoreConnection,
        plan: &Plan,
        secret: &WrittenSecret,
        versions: &Versions,
    ) -> Passed {
        let before = self.memory.status.clone();
        let keys = session.reader.keys(versions);
        let found = Found { versions, keys: &keys, detours: self.detours(session) };
        let status = Box::new(self.subject(&before).verified(secret, found));
        let events = self.key_events(&before, &keys);
        self.memory.absent = absent(versions);
        self.memory.shape = Some(plan.shape);
        self.memory.data_shape = Some(plan.data_shape);
        self.memory.second_listing = SecondListing::Unneeded;
        Passed::Done(Done { status, events, wake: None })
    }

    /// The complete plan, now that it is known what there is.
    pub(crate) fn resolve<'p>(
        &mut self,
        session: &StoreConnection,
        plan: &'p Plan,
        known: LookupResult,
        bounds: &ReadAuthority<'_>,
    ) -> Result<Cow<'p, Plan>, Fault> {
        self.accesses.extend(known.accesses);
        match session.reader.fault(&known.errors) {
            Some(fault) => {
                // What failed confirms nothing.
                if self.memory.second_listing == SecondListing::Done {
                    self.memory.second_listing = SecondListing::Unneeded;
                }
                Err(fault)
            }
            None => plan.resolve(&known.found, bounds),
        }
    }

    /// Whether parameters of a path are missing at the first listing after a start, which the informer has nothing to
    /// compare with: only a second one, some time later, confirms that they are gone. `found` is how many there are now.
    pub(crate) fn awaits_second_listing(&mut self, plan: &Plan, found: usize) -> bool {
        let before = self.memory.status.parameter_count.and_then(|count| usize::try_from(count).ok());
        let is_first = self.memory.shape.is_none() && self.memory.second_listing == SecondListing::Unneeded;
        if is_first && !plan.paths.is_empty() && before.is_some_and(|before| found < before) {
            self.memory.second_listing = SecondListing::Due(Instant::now() + CONFIRM_ABSENCE);
        }
        matches!(self.memory.second_listing, SecondListing::Due(_))
    }

    /// Whether a parameter is missing that a listing had: the path is to be listed again before anything is made of that.
    ///
    /// # Errors
    /// If it was listed again, and is still missing.
    pub(crate) fn is_stale(&mut self, reads: &Reads<'_>, versions: &Versions) -> Result<bool, Fault> {
        let is_missing = |parameter_ref: &ParameterRef| matches!(versions.get(parameter_ref), Some(None));
        let missing = reads.iter().filter(|(parameter_ref, read)| read.listed && is_missing(parameter_ref));
        let missing: Vec<_> = missing.map(|(parameter_ref, _)| parameter_ref.to_string()).collect();
        if missing.is_empty() {
            return Ok(false);
        }
        if self.memory.second_listing == SecondListing::Done {
            self.memory.second_listing = SecondListing::Unneeded;
            let message = format!(
                "AWS lists {} below a path but does not find it; the operator looks again, if it stays so exclude it in \
                 spec.dataFrom[].path.",
                list(&missing)
            );
            return Err(Fault::new(Reason::ParameterNotFound, message));
        }
        if self.memory.second_listing == SecondListing::Unneeded {
            self.memory.second_listing = SecondListing::Due(Instant::now() + CONFIRM_ABSENCE);
        }
        Ok(true)
    }

    /// Whether it is time for the second listing, which then is under way.
    pub(crate) fn is_second_listing_due(&mut self) -> bool {
        let is_due = matches!(self.memory.second_listing, SecondListing::Due(at) if at <= Instant::now());
        if is_due {
            self.memory.second_listing = SecondListing::Done;
        }
        is_due
    }

    /// Whether optional parameters are newly absent. A key leaves the Secret only after two looks in a row found its
    /// parameter absent.
    pub(crate) fn awaits_confirmation(&mut self, versions: &Versions) -> bool {
        let synced_before = self.memory.status.source_revision.is_some();
        let absent = absent(versions);
        let news = absent.iter().any(|parameter_ref| !self.memory.absent.contains(parameter_ref));
        self.memory.absent = absent;
        synced_before && news
    }
}

/// The parameters that do not exist.
pub(crate) fn absent(versions: &Versions) -> BTreeSet<ParameterRef> {
    versions.iter().filter(|(_, metadata)| metadata.is_none()).map(|(parameter_ref, _)| parameter_ref.clone()).collect()
}
