//! Checks of one name: of its version, without decryption, and of the access to its value. The batcher puts ten names
//! into a call.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use crate::domain::{parameter::name::ParameterRef, schedule::decide::Purpose};
use crate::parameters::{
    batch::requests::ReadRequest,
    cache::{observation::Observation, shared::Shared},
    port::{ParameterApi, ReadMode},
    quota::priority::Priority,
    read_error::ReadError,
    retry::poll_backoff,
};

/// A check that is running until this is dropped.
struct RunningCheck<'s, A> {
    shared: &'s Shared<A>,
    name: &'s ParameterRef,
}

impl<A> Drop for RunningCheck<'_, A> {
    fn drop(&mut self) {
        self.shared.end_check(self.name);
    }
}

/// Checks the version of a name.
pub(crate) async fn check_version<A: ParameterApi>(shared: Arc<Shared<A>>, name: ParameterRef) {
    let running = RunningCheck { shared: &shared, name: &name };
    check_until_available(&shared, &name).await;
    drop(running);
}

/// Checks until AWS is available, so that the end of an outage is noticed before the next sweep.
async fn check_until_available<A: ParameterApi>(shared: &Shared<A>, name: &ParameterRef) {
    let mut failures = 0;
    loop {
        let objects = shared.table().objects(name);
        if objects.is_empty() {
            return;
        }
        let objects = objects.iter().map(|object| object.with_purpose(Purpose::VersionCheck)).collect();
        let request = ReadRequest::version(name.clone(), Priority::Sweep, objects);
        let Ok(reply) = shared.batcher.request(request).await else { return };
        let observation = Observation::of_reply(reply);
        let is_outage = observation.result.as_ref().is_err_and(ReadError::is_outage);
        shared.record(name, observation);
        if !is_outage {
            return;
        }
        failures += 1;
        sleep(poll_backoff(failures)).await;
    }
}

/// Decrypts a value again although it did not change, to prove that access is still granted. If it is not, the
/// subscribers are notified. The value is dropped.
pub(crate) async fn revalidate<A: ParameterApi>(shared: Arc<Shared<A>>, name: ParameterRef, mode: ReadMode) {
    let objects = shared.table().objects(&name);
    if objects.is_empty() {
        return;
    }
    let objects = objects.iter().map(|object| object.with_purpose(Purpose::Revalidation)).collect();
    let request = ReadRequest { mode, ..ReadRequest::version(name.clone(), Priority::Revalidation, objects) };
    let Ok(reply) = shared.batcher.request(request).await else { return };
    match &reply.result {
        Ok(Some(_)) => {
            shared.table().decrypted(&name, Instant::now());
            let _ = shared.record(&name, Observation::of_reply(reply));
        }
        // This says nothing of access. The value is due again after its interval.
        Ok(None) => {}
        Err(error) if error.is_outage() => {}
        Err(_) => drop(shared.record(&name, Observation::of_reply(reply))),
    }
}
