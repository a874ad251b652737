//! The first page below a path, for those who only want to know whether the path can be listed.

use std::sync::Arc;

use tokio::time::{Instant, sleep};

use crate::domain::{
    audit::ObjectRef,
    parameter::path_query::{Children, PathQuery},
    schedule::decide::Purpose,
};
use crate::parameters::{
    port::ParameterApi,
    quota::{claim::Claim, priority::Priority},
    read_error::ReadError,
    reader::Reader,
    retry::{Attempts, Retry},
};

impl<A: ParameterApi> Reader<A> {
    /// Lists what the first page below a path holds.
    ///
    /// # Errors
    /// The error of the call, after the retries that the policy allows.
    pub(crate) async fn first_page(&self, query: &PathQuery, object: &ObjectRef) -> Result<Children, ReadError> {
        let (purpose, mut attempts) = (Purpose::VersionCheck, Attempts::new(Instant::now()));
        let claims = Claim::of_objects(Priority::of(purpose), [object]);
        loop {
            let objects = vec![object.with_purpose(purpose)];
            let (result, _) = self.client.get_parameters_by_path(query, None, claims.clone(), objects).await;
            let error = match result {
                Ok(page) => {
                    let child = |name: &str| query.child(name, self.scope());
                    let found = page.parameters.iter().map(|found| (child(&found.name), found.metadata()));
                    return Ok(Arc::new(found.collect()));
                }
                Err(error) => error,
            };
            match attempts.failed(error.kind, Instant::now()) {
                Retry::After(delay) => sleep(delay).await,
                Retry::GiveUp => return Err(ReadError::of_call(error)),
            }
        }
    }
}
