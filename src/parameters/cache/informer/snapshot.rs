//! What the informer knows without asking.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::time::Instant;

use crate::parameters::cache::informer::Informer;
use crate::{
    domain::{
        parameter::{
            key::{ParameterKey, ParameterKeys},
            name::ParameterRef,
            path_query::PathQuery,
            revision::{Metadata, Versions},
        },
        plan::types::{LookupResult, Lookups, Reads},
        report::event::Access,
    },
    parameters::{
        Priority,
        cache::{
            listings::Listed,
            table::{Index, Seen},
        },
        port::ParameterApi,
        read_error::ReadError,
        reader::own,
    },
};

/// What the informer knows of an object's names.
#[derive(Debug)]
pub enum Known {
    /// Not every name was looked at yet.
    Unseen,
    /// The state of every name, and the errors of those that could not be read.
    Seen {
        /// What exists, and what does not.
        versions: Versions,
        /// What could not be read, or is missing.
        errors: BTreeMap<ParameterRef, ReadError>,
        /// The calls that failed.
        accesses: Vec<Access>,
    },
}

/// What is known of what has to be looked up before an object's names are.
#[derive(Debug, Default)]
pub struct LookUp {
    /// What was found; of a path that cannot be listed now, what was there before.
    pub found: LookupResult,
    /// What could not be looked up, or is missing.
    pub errors: BTreeMap<ParameterRef, ReadError>,
    /// The calls that failed.
    pub accesses: Vec<Access>,
}

impl<A: ParameterApi> Informer<A> {
    /// What is known of what has to be looked up; `None` if something was never seen.
    pub fn looked_up(&self, lookups: &Lookups) -> Option<LookUp> {
        let index = self.shared.index();
        let mut known = LookUp::default();
        for listing in &lookups.listings {
            let Listed { result, access } = index.listings.seen(listing)?;
            if let Err(error) = result {
                known.errors.insert(listing.parameter_ref(&self.shared.scope), error.clone());
                known.accesses.extend(access.as_deref().cloned());
            }
            let children = index.listings.children(listing).cloned().unwrap_or_default();
            known.found.listings.insert(listing.clone(), children);
        }
        for (parameter_ref, optional) in &lookups.newest {
            let Seen { result, access } = index.seen(parameter_ref)?;
            match result {
                Ok(metadata) => drop(known.found.newest.insert(parameter_ref.clone(), metadata.version)),
                Err(ReadError::NotFound | ReadError::VersionNotFound) if *optional => {}
                Err(error) => {
                    known.errors.insert(parameter_ref.clone(), error.clone());
                    known.accesses.extend(access.as_deref().cloned());
                }
            }
        }
        Some(known)
    }

    /// Has paths listed now: those without an answer, or all.
    pub async fn list(&self, listings: &BTreeSet<PathQuery>, priority: Priority, anew: bool) {
        let requests: Vec<_> = {
            let mut index = self.shared.index();
            let has_answer = |index: &Index, listing| index.listings.seen(listing).is_some_and(|l| l.result.is_ok());
            let to_list: Vec<_> = listings.iter().filter(|listing| anew || !has_answer(&index, listing)).collect();
            let now = Instant::now();
            to_list.into_iter().filter_map(|listing| index.listings.request(listing, priority, anew, now)).collect()
        };
        self.shared.wake.notify_one();
        for over in requests {
            // It ends by being dropped.
            let _ = over.await;
        }
    }

    /// What is known of names.
    pub fn known(&self, reads: &Reads<'_>) -> Known {
        let index = self.shared.index();
        let (mut versions, mut errors, mut accesses) = (Versions::new(), BTreeMap::new(), Vec::<Arc<Access>>::new());
        for (parameter_ref, read) in reads {
            let Some(seen) = index.seen(parameter_ref) else { return Known::Unseen };
            match &seen.result {
                Ok(metadata) => drop(versions.insert((*parameter_ref).clone(), Some(metadata.clone()))),
                Err(ReadError::NotFound | ReadError::VersionNotFound) if read.optional => {
                    versions.insert((*parameter_ref).clone(), None);
                }
                Err(error) => {
                    errors.insert((*parameter_ref).clone(), error.clone());
                    let news = seen.access.iter().filter(|a| !accesses.iter().any(|known| Arc::ptr_eq(known, a)));
                    let news: Vec<_> = news.cloned().collect();
                    accesses.extend(news);
                }
            }
        }
        Known::Seen { versions, errors, accesses: own(accesses, reads) }
    }

    /// Whether a name is known to be missing.
    pub fn is_missing(&self, parameter_ref: &ParameterRef) -> bool {
        let index = self.shared.index();
        let seen = index.seen(parameter_ref).map(|seen| &seen.result);
        matches!(seen, Some(Err(ReadError::NotFound | ReadError::VersionNotFound)))
    }

    /// When the newest change of any of these was seen.
    pub fn changed_at<'a>(
        &self,
        names: impl Iterator<Item = &'a ParameterRef>,
        listings: &BTreeSet<PathQuery>,
    ) -> Option<Instant> {
        let index = self.shared.index();
        let names = names.filter_map(|parameter_ref| index.changed_at(parameter_ref));
        names.chain(listings.iter().filter_map(|listing| index.listings.changed_at(listing))).max()
    }

    /// What is known of the keys of these versions.
    pub fn keys(&self, versions: &Versions) -> ParameterKeys {
        let index = self.shared.index();
        let key = |(parameter_ref, metadata): (&ParameterRef, &Option<Metadata>)| {
            let id = index.keys.id(parameter_ref, metadata.as_ref()?.version)?;
            let (asked, state) = (self.shared.caller.was_asked(id), self.shared.caller.known_key(id));
            Some((parameter_ref.clone(), ParameterKey::new(id, asked, state)))
        };
        versions.iter().filter_map(key).collect()
    }
}
