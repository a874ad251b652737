//! Lists paths: all pages or nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::parameters::cache::informer::Shared;
use crate::{
    domain::{
        audit::{
            ObjectRef,
            aws_error::{AwsError, AwsErrorKind},
        },
        parameter::path_query::{Children, PathQuery},
        report::event::Access,
        schedule::decide::Purpose,
    },
    parameters::{
        Priority,
        audited_client::{RETRIES, RETRY_AFTER, THROTTLED_PATIENCE},
        batch::{match_response::AUDITED_OBJECTS, queue::AGING},
        cache::{
            listings::{Due, Listed},
            table::Seen,
        },
        port::{Page, ParameterApi},
        read_error::ReadError,
    },
};

/// How soon it is confirmed that a parameter is gone from a path.
const CONFIRM: Duration = Duration::from_secs(5);
/// Most pages of one listing: more than an account holds parameters by default.
const PAGES: usize = 20_000;

impl<A: ParameterApi> Shared<A> {
    /// Lists a path, and says whose parameters changed.
    pub(crate) async fn list(self: Arc<Self>, due: Due) {
        let (Due { listing, priority }, mut began) = (due, Instant::now());
        let mut listed = self.list_pages(&listing, priority).await;
        let lacks = |listed: &Listed| {
            listed.result.as_ref().is_ok_and(|children| self.index().listings.lacks(&listing, children))
        };
        if lacks(&listed) {
            // AWS is eventually consistent: a key goes only after two listings in a row did not have its parameter.
            sleep(CONFIRM).await;
            began = Instant::now();
            listed = self.list_pages(&listing, priority).await;
        }
        let told = {
            let mut index = self.index();
            let now = Instant::now();
            let found = listed.result.as_ref().ok().map(Arc::clone);
            let mut told: BTreeSet<_> = index.listings.observe(&listing, listed, now).into_iter().collect();
            for (wanted, metadata) in found.iter().flat_map(|children| children.iter()) {
                // What was read meanwhile may be newer than the page that it was on.
                if index.asked_at(wanted).is_some_and(|asked_at| asked_at > began) {
                    continue;
                }
                told.extend(index.observe(wanted, Seen { result: Ok(metadata.clone()), access: None }, now));
            }
            told
        };
        self.unknown_keys.notify_one();
        self.tell_changed(told.into_iter().collect());
        // It may be wanted again by now.
        self.wake.notify_one();
    }

    async fn list_pages(&self, listing: &PathQuery, priority: Priority) -> Listed {
        let objects = {
            let index = self.index();
            let objects = index.listings.subscribers(listing).filter_map(|subscriber| index.object(subscriber));
            objects.map(|object| object.with_purpose(Purpose::VersionCheck)).take(AUDITED_OBJECTS).collect::<Vec<_>>()
        };
        let (mut children, mut page, mut is_restarted) = (BTreeMap::new(), None::<String>, false);
        for _ in 0..PAGES {
            match self.page(listing, page.as_deref(), priority, &objects).await {
                Ok(Page { found, next }) => {
                    for parameter in found {
                        children.insert(listing.child(&parameter.name, &self.scope), parameter.metadata());
                    }
                    if next.is_none() {
                        return Listed { result: Ok(Children::new(children)), access: None };
                    }
                    page = next;
                }
                // The place in the list is lost: what follows is unknown, so all of it is asked for again.
                Err((error, _)) if error.code.as_deref() == Some("InvalidNextToken") && !is_restarted => {
                    (children, page, is_restarted) = (BTreeMap::new(), None, true);
                }
                Err((error, access)) => {
                    let result = Err(ReadError::Call { error: Arc::new(error), key: None });
                    return Listed { result, access: Some(Arc::new(access)) };
                }
            }
        }
        let message = format!("there is no end to the pages below {}", listing.path);
        let error = AwsError { kind: AwsErrorKind::ServiceUnavailable, code: None, message, request_id: None };
        Listed { result: Err(ReadError::Call { error: Arc::new(error), key: None }), access: None }
    }

    /// One page. What passes by itself is tried again.
    async fn page(
        &self,
        listing: &PathQuery,
        page: Option<&str>,
        priority: Priority,
        objects: &[ObjectRef],
    ) -> Result<Page, (AwsError, Access)> {
        let (began, mut attempts) = (Instant::now(), 0);
        loop {
            // A place in the line for each page anew, so that a long path does not hold up others.
            let deadline = Instant::now() + AGING * priority as u32;
            let (result, access) = self.caller.list(listing, page, deadline, objects.to_vec()).await;
            let error = match result {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            match error.kind {
                AwsErrorKind::Throttled if began.elapsed() < THROTTLED_PATIENCE => {}
                AwsErrorKind::ServiceUnavailable | AwsErrorKind::EndpointUnreachable
                    if attempts < RETRIES && error.code.as_deref() != Some("InvalidNextToken") =>
                {
                    attempts += 1;
                    sleep(RETRY_AFTER).await;
                }
                _ => return Err((error, access)),
            }
        }
    }
}
