//! Reads and decrypts the parameters of a plan.

use std::{borrow::Cow, sync::Arc, time::Duration};

use k8s_openapi::jiff::Timestamp;
use tokio::time::timeout;

use crate::controller::secure_parameter::{
    inputs::{Inputs, ReadContext, shape_of},
    keys::{check_before_read, check_read},
    versions::{parameter_count, resolve},
};
use crate::{
    api::Reason,
    domain::{
        Fault,
        audit::{Access, to_rfc3339},
        ownership::types::SecretMetadata,
        parameter::{name::ParameterRef, revision::source_revision},
        plan::types::Plan,
        report::{
            attempt::{Attempt, InterimStatus, KeysByParameter, ObservedParameters, Outcome, Written},
            status::StatusBuilder,
        },
        schedule::{
            absence::{Absence, CONFIRM_AFTER},
            decide::{Purpose, SecretState},
        },
        secret::content::KmsPlaintexts,
    },
    parameters::{KmsDecryption, Reading},
};

/// How long a read may wait for its turn before the status says so: a little longer than the reader retries throttled
/// calls, because the throttling error of AWS, if there is one, is the better message.
const WAIT_BEFORE_REPORT: Duration = Duration::from_secs(35);

/// The parameters of a plan, read and decrypted.
pub(super) struct Fetched<'p> {
    /// The plan with all its reads.
    pub(super) plan: Cow<'p, Plan>,
    /// Versions and values.
    pub(super) reading: Reading,
    /// Values that KMS decrypted a second time.
    pub(super) plaintexts: KmsPlaintexts,
    /// The AWS calls that were made.
    pub(super) accesses: Vec<Access>,
    absence: Absence,
    interim: Option<InterimStatus>,
}

/// Reads and decrypts the parameters of a plan, each once.
///
/// # Errors
/// The attempt, if a parameter cannot be read, if a key that is not granted encrypts it, or if it has to be confirmed as
/// absent first.
pub(super) async fn fetch<'p>(
    read: ReadContext<'_>,
    plan: &'p Plan,
    purpose: Purpose,
    secret: SecretState,
    mut absence: Absence,
) -> Result<Fetched<'p>, Attempt> {
    let interval = read.inputs.object.spec.refresh_interval();
    // Watched before it is read, so that the informer does not check it once more.
    read.watch(&read.known_plan(plan), interval, false)?;
    let (plan, interim) = look_up(read, plan, purpose, &mut absence).await?;
    read.watch(&plan, interval, false)?;
    let size = read.reader.check_size(&plan.reads(), &plan.lookups());
    size.map_err(|fault| Attempt::new(Outcome::Failed { fault, basis: Some(read.basis()) }))?;
    let counts = parameter_count(read, &plan, plan.reads().len());
    if absence.needs_second_listing(counts, read.inputs.uptime) {
        return Err(confirm_later(Vec::new(), absence, interim));
    }
    if let Err(fault) = check_before_read(read, &plan).await {
        let failed = Attempt::new(Outcome::Failed { fault, basis: Some(read.basis()) });
        return Err(Attempt { absence: Some(absence), interim, ..failed });
    }
    let (reading, accesses, interim) = read_values(read, &plan, purpose, interim).await;
    let fetched = Fetched { plan, reading, plaintexts: KmsPlaintexts::default(), accesses, absence, interim };
    let fetched = fetched.confirmed(read, secret)?;
    if let Err(fault) = check_read(read, &fetched.plan, &fetched.reading).await {
        return Err(fetched.failed(fault, read.basis()));
    }
    decrypt_again(read, fetched, purpose).await
}

async fn read_values(
    read: ReadContext<'_>,
    plan: &Plan,
    purpose: Purpose,
    interim: Option<InterimStatus>,
) -> (Reading, Vec<Access>, Option<InterimStatus>) {
    let (reads, object) = (plan.reads(), read.inputs.audit_reference());
    let asked = read.reader.read(&reads, read.connection.mode, purpose, &object);
    let (mut reading, interim) = with_report(read, asked, interim).await;
    let accesses = std::mem::take(&mut reading.accesses);
    (reading, accesses, interim)
}

/// Has KMS decrypt the values that were encrypted before they were stored.
async fn decrypt_again<'p>(
    read: ReadContext<'_>,
    mut fetched: Fetched<'p>,
    purpose: Purpose,
) -> Result<Fetched<'p>, Attempt> {
    let object = read.inputs.audit_reference().with_purpose(purpose);
    let reader = read.reader;
    let decrypting = reader.kms_decrypt_all(&fetched.plan, &fetched.reading, &object);
    let KmsDecryption { plaintexts, accesses, fault } = read.slot.release_while(decrypting).await;
    fetched.accesses.extend(accesses);
    match fault {
        Some(fault) => Err(fetched.failed(fault, read.basis())),
        None => Ok(Fetched { plaintexts, ..fetched }),
    }
}

/// Lists paths and asks for newest versions, as far as they are not known.
async fn look_up<'p>(
    read: ReadContext<'_>,
    plan: &'p Plan,
    purpose: Purpose,
    absence: &mut Absence,
) -> Result<(Cow<'p, Plan>, Option<InterimStatus>), Attempt> {
    let lookups = plan.lookups();
    if lookups.is_empty() {
        return Ok((Cow::Borrowed(plan), None));
    }
    // Without polling, what is known may be stale.
    let is_polled = read.inputs.object.spec.refresh_interval().is_some();
    let is_due = absence.is_listing_due(read.inputs.uptime);
    if is_due {
        absence.record_listing();
    }
    let refresh = is_due || purpose == Purpose::ForcedSync || !is_polled && purpose != Purpose::ParameterChanged;
    let object = read.inputs.audit_reference();
    let asked = read.reader.lookup(&lookups, purpose, refresh, &object);
    let (known, interim) = with_report(read, asked, None).await;
    match resolve(read, plan, known, absence) {
        Ok(plan) => Ok((plan, interim)),
        Err(attempt) => Err(Attempt { interim, ..attempt }),
    }
}

fn confirm_later(accesses: Vec<Access>, absence: Absence, interim: Option<InterimStatus>) -> Attempt {
    let attempt = Attempt::waiting(CONFIRM_AFTER, Reason::Progressing);
    Attempt { accesses, absence: Some(absence), interim, ..attempt }
}

/// Waits for AWS. A read that waits long for its turn says so in the status.
fn with_report<'a, T: 'a>(
    read: ReadContext<'a>,
    asked: impl Future<Output = T> + 'a,
    interim: Option<InterimStatus>,
) -> impl Future<Output = (T, Option<InterimStatus>)> + 'a {
    let mut asked = Box::pin(asked);
    let waiting = async move {
        if let Ok(answer) = timeout(WAIT_BEFORE_REPORT, &mut asked).await {
            return (answer, interim);
        }
        let reported = Box::pin(report_waiting(read, interim.as_ref())).await;
        (asked.await, reported.or(interim))
    };
    read.slot.release_while(waiting)
}

async fn report_waiting(read: ReadContext<'_>, interim: Option<&InterimStatus>) -> Option<InterimStatus> {
    let (inputs, reader) = (read.inputs, read.reader);
    let (scope, now) = (reader.scope(), Timestamp::now());
    let message = format!(
        "The read has been waiting for its turn since {}: the operator currently sends at most {:.1} requests a second to \
         account {} in region {}; raise spec.quota of the store if AWS does not throttle.",
        to_rfc3339(now - WAIT_BEFORE_REPORT),
        reader.rate_limit().rate(),
        scope.account,
        scope.region,
    );
    let builder = StatusBuilder {
        generation: inputs.object.metadata.generation,
        previous: interim.map_or(&inputs.state.status, |interim| &interim.status),
        store: &inputs.store,
        sync: inputs.sync_token(),
        now,
    };
    let fault = Fault::new(Reason::Throttled, message);
    let status = Arc::new(builder.failed(&fault, now, inputs.object.spec.refresh_interval()));
    // The final status follows in any case, so a failure here is not retried.
    let written = read.context.statuses.secure_parameter(&inputs.namespace, &inputs.name, &status).await;
    written.ok().map(|resource_version| InterimStatus { status, resource_version })
}

impl<'p> Fetched<'p> {
    /// Ends the attempt if a parameter could not be read, if its absence has to be confirmed first, or if the object was
    /// deleted meanwhile.
    fn confirmed(mut self, read: ReadContext<'_>, secret: SecretState) -> Result<Fetched<'p>, Attempt> {
        if let Some(fault) = read.reader.fault(&self.reading.errors) {
            return Err(self.failed(fault, read.basis()));
        }
        let must_confirm = self.must_confirm(read.inputs, secret);
        let exists = read.context.index.lock().name_of(&read.inputs.namespace, &read.inputs.uid).is_some();
        match must_confirm {
            Err(fault) => Err(self.failed(fault, read.basis())),
            Ok(false) if exists => Ok(self),
            Ok(_) => Err(confirm_later(self.accesses, self.absence, self.interim)),
        }
    }

    fn must_confirm(&mut self, inputs: &Inputs<'_>, secret: SecretState) -> Result<bool, Fault> {
        let versions = &self.reading.versions;
        if self.absence.contradicts_listing(&self.plan.reads(), versions, inputs.uptime)? {
            return Ok(true);
        }
        let was_synced = inputs.state.status.source_revision().is_some();
        // A Secret that does not exist has no key to lose.
        Ok(secret != SecretState::Missing && self.absence.needs_confirmation(versions, was_synced))
    }

    /// The attempt, if it fails after the read.
    pub(super) fn failed(self, fault: Fault, basis: u64) -> Attempt {
        Attempt {
            accesses: self.accesses,
            absence: Some(self.absence),
            interim: self.interim,
            ..Attempt::new(Outcome::Failed { fault, basis: Some(basis) })
        }
    }

    /// The attempt, once the Secret is written.
    pub(super) fn written(
        self,
        read: ReadContext<'_>,
        purpose: Purpose,
        metadata: SecretMetadata,
        keys: usize,
        keys_by_parameter: KeysByParameter,
    ) -> Attempt {
        let Reading { versions, fallbacks, .. } = self.reading;
        let fallbacks = fallbacks.into_iter().map(|(parameter, why): (ParameterRef, _)| (parameter, why.to_string()));
        let written = Written {
            at: Timestamp::now(),
            purpose,
            metadata,
            keys,
            revision: source_revision(&read.connection.source, &versions),
            keys_by_parameter,
            shape: shape_of(&self.plan),
            parameters: ObservedParameters {
                keys: read.reader.keys(&versions),
                fallbacks: Some(fallbacks.collect()),
                versions,
            },
        };
        let attempt = Attempt::new(Outcome::Written(Box::new(written)));
        Attempt { accesses: self.accesses, absence: Some(self.absence), interim: self.interim, ..attempt }
    }
}
