//! Lists a path: all of its pages, or an error.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::domain::{
    audit::{Access, ObjectRef},
    aws_error::AwsError,
    parameter::{
        name::ParameterRef,
        path_query::{Children, PathQuery},
        revision::Metadata,
    },
    schedule::decide::Purpose,
};
use crate::parameters::{
    cache::{
        listings::DueListing,
        observation::{Observation, PathObservation, Sizes},
        shared::Shared,
        subscription::Subscriber,
        version_table::Recorded,
    },
    outcome::MAX_AUDITED_OBJECTS,
    port::{GetParametersByPathPage, MAX_READS, ParameterApi},
    quota::{claim::Claim, priority::Priority},
    read_error::{ReadError, service_failure},
    retry::{Attempts, Retry},
};

/// How soon a second listing confirms that a parameter is gone from a path.
const CONFIRM_ABSENCE: Duration = Duration::from_secs(5);
/// Most pages of one listing. A page may hold fewer parameters than ten, or none.
const MAX_PAGES: usize = 2_000;

/// A listing that is running until it is recorded, or this is dropped because its task panicked.
struct RunningListing<'s, A> {
    shared: &'s Shared<A>,
    query: &'s PathQuery,
    number: u64,
}

impl<A> Drop for RunningListing<'_, A> {
    fn drop(&mut self) {
        self.shared.table().listings.end(self.query, self.number, Instant::now());
    }
}

/// Lists a path and notifies the subscribers of what changed.
pub(crate) async fn list_path<A: ParameterApi>(shared: Arc<Shared<A>>, due: DueListing) {
    let (DueListing { query, number, priority }, mut began) = (due, Instant::now());
    let _running = RunningListing { shared: &shared, query: &query, number };
    let mut observation = list_pages(&shared, &query, priority).await;
    if lacks_children(&shared, &query, &observation) {
        // AWS is eventually consistent: a parameter is gone only if two listings in a row do not have it.
        sleep(CONFIRM_ABSENCE).await;
        began = Instant::now();
        observation = list_pages(&shared, &query, priority).await;
    }
    let subscribers = record(&shared, &query, observation, began);
    shared.key_unknown.notify_one();
    shared.notify(subscribers);
    // It may be due again by now.
    shared.schedule_changed.notify_one();
}

fn lacks_children<A>(shared: &Shared<A>, query: &PathQuery, observation: &PathObservation) -> bool {
    observation.result.as_ref().is_ok_and(|children| shared.table().listings.lacks(query, children))
}

/// Records a listing that began at this time, and the versions that it shows. Returns the subscribers to notify.
fn record<A>(
    shared: &Shared<A>,
    query: &PathQuery,
    observation: PathObservation,
    began: Instant,
) -> BTreeSet<Subscriber> {
    let (mut table, now) = (shared.table(), Instant::now());
    let children = observation.result.as_ref().ok().map(Arc::clone);
    let mut subscribers: BTreeSet<_> = table.listings.observe(query, observation, now).into_iter().collect();
    for (child, metadata) in children.iter().flat_map(|children| children.iter()) {
        // A read that was made since may be newer than the page.
        if table.checked_at(child).is_some_and(|checked_at| checked_at > began) {
            continue;
        }
        if let Recorded::Fresh(changed) = table.observe(child, Observation::found(metadata.clone()), now) {
            subscribers.extend(changed);
        }
    }
    subscribers
}

async fn list_pages<A: ParameterApi>(shared: &Shared<A>, query: &PathQuery, priority: Priority) -> PathObservation {
    let objects = objects(shared, query);
    let claims = Claim::of_objects(priority, &objects);
    let (mut found, mut next_token, mut has_restarted) = (BTreeMap::new(), None::<String>, false);
    for _ in 0..MAX_PAGES {
        match get_page(shared, query, next_token.as_deref(), &claims, &objects).await {
            Ok(page) => {
                for parameter in page.parameters {
                    let size = parameter.least_size();
                    found.insert(query.child(&parameter.name, &shared.scope), (parameter.metadata(), size));
                }
                if found.len() > MAX_READS {
                    return PathObservation::failed(ReadError::TooMany(MAX_READS), None);
                }
                if page.next_token.is_none() {
                    return observation(found);
                }
                next_token = page.next_token;
            }
            // The pages that follow cannot be reached any more, so the listing starts over.
            Err((error, _)) if is_token_invalid(&error) && !has_restarted => {
                (found, next_token, has_restarted) = (BTreeMap::new(), None, true);
            }
            Err((error, access)) => return PathObservation::failed(ReadError::of_call(error), Some(access)),
        }
    }
    let error = service_failure(format!("the listing of {} has more than {MAX_PAGES} pages", query.path));
    PathObservation::failed(ReadError::of_call(error), None)
}

fn observation(found: BTreeMap<ParameterRef, (Metadata, usize)>) -> PathObservation {
    let sizes = found.iter().map(|(parameter_ref, (_, size))| (parameter_ref.clone(), *size)).collect();
    let children = found.into_iter().map(|(parameter_ref, (metadata, _))| (parameter_ref, metadata)).collect();
    PathObservation::found(Children::new(children), Sizes::new(sizes))
}

/// Gets one page, and retries as the policy allows.
async fn get_page<A: ParameterApi>(
    shared: &Shared<A>,
    query: &PathQuery,
    next_token: Option<&str>,
    claims: &[Claim],
    objects: &[ObjectRef],
) -> Result<GetParametersByPathPage, (AwsError, Access)> {
    let mut attempts = Attempts::new(Instant::now());
    loop {
        // Each page waits for a turn of its own, so that a path with many pages does not delay others.
        let call = shared.client.get_parameters_by_path(query, next_token, claims.to_vec(), objects.to_vec());
        let (error, access) = match call.await {
            (Ok(page), _) => return Ok(page),
            (Err(error), access) => (error, access),
        };
        if is_token_invalid(&error) {
            return Err((error, access));
        }
        match attempts.failed(error.kind, Instant::now()) {
            Retry::After(delay) => sleep(delay).await,
            Retry::GiveUp => return Err((error, access)),
        }
    }
}

fn is_token_invalid(error: &AwsError) -> bool {
    error.code.as_deref() == Some("InvalidNextToken")
}

fn objects<A>(shared: &Shared<A>, query: &PathQuery) -> Vec<ObjectRef> {
    let table = shared.table();
    let objects = table.listings.subscribers(query).filter_map(|subscriber| table.object(subscriber));
    objects.map(|object| object.with_purpose(Purpose::VersionCheck)).take(MAX_AUDITED_OBJECTS).collect()
}
