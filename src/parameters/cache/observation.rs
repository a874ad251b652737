//! What polling or reading found at one time.

use std::{collections::BTreeMap, sync::Arc};

use crate::domain::{
    audit::Access,
    parameter::{name::ParameterRef, path_query::Children, revision::Metadata},
};
use crate::parameters::{batch::requests::ReadReply, read_error::ReadError};

/// What was found of a name.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// The version, or why it is not known.
    pub(crate) result: Result<Metadata, ReadError>,
    /// The call that failed.
    pub(crate) access: Option<Arc<Access>>,
}

impl Observation {
    /// Returns the observation of a version.
    pub(crate) const fn found(metadata: Metadata) -> Self {
        Self { result: Ok(metadata), access: None }
    }

    /// Returns what the reply to a request says of the version.
    pub(crate) fn of_reply(mut reply: ReadReply) -> Self {
        let result = reply.metadata();
        let access = reply.accesses.pop().filter(|_| result.is_err());
        Self { result, access }
    }

    /// Has the version share these strings, if they are the same.
    pub(crate) fn share(&mut self, arn: &Arc<str>, type_: &Arc<str>) {
        if let Ok(metadata) = &mut self.result {
            for (own, shared) in [(&mut metadata.arn, arn), (&mut metadata.type_, type_)] {
                if **own == **shared {
                    *own = Arc::clone(shared);
                }
            }
        }
    }

    /// Reports whether a subscriber would act on the difference.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        differ(&self.result, &other.result, |one, other| one == other)
    }
}

/// How many bytes the values of listed parameters have at least.
pub(crate) type Sizes = Arc<BTreeMap<ParameterRef, usize>>;

/// What listing a path found.
#[derive(Clone, Debug)]
pub(crate) struct PathObservation {
    /// All parameters below the path, or why they are not known.
    pub(crate) result: Result<Children, ReadError>,
    /// The sizes of their values. Empty if they are not known.
    pub(crate) sizes: Sizes,
    /// The call that failed.
    pub(crate) access: Option<Arc<Access>>,
}

impl PathObservation {
    /// Returns the observation of all parameters below a path.
    pub(crate) const fn found(children: Children, sizes: Sizes) -> Self {
        Self { result: Ok(children), sizes, access: None }
    }

    /// Returns the observation that a path could not be listed.
    pub(crate) fn failed(error: ReadError, access: Option<Access>) -> Self {
        Self { result: Err(error), sizes: Sizes::default(), access: access.map(Arc::new) }
    }

    /// Reports whether a subscriber would act on the difference: other parameters, or another error. Versions are
    /// compared name by name.
    pub(crate) fn differs(&self, other: &Self) -> bool {
        differ(&self.result, &other.result, |one, other| one.keys().eq(other.keys()))
    }
}

fn differ<T>(one: &Result<T, ReadError>, other: &Result<T, ReadError>, equal: impl Fn(&T, &T) -> bool) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => !equal(one, other),
        (Err(one), Err(other)) => one.to_string() != other.to_string(),
        _ => true,
    }
}
