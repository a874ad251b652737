//! Checks what objects can do in one session: list paths, ask for versions, and decrypt. The values are dropped at once.

use std::collections::BTreeMap;

use crate::controller::{
    preflight::{
        objects::Readers,
        report::{DECRYPT, ENDPOINT, GET_PARAMETERS, GET_PARAMETERS_BY_PATH, GET_SECRET_VALUE, Line},
        sample::{self, Names},
    },
    store::{connections::StoreConnection, object::StoreObject, sessions::StoreReader},
};
use crate::{
    api::Reason,
    domain::{
        Fault,
        audit::ObjectRef,
        parameter::{name::ParameterRef, revision::Versions},
        plan::types::{LookupResult, Read},
        report::text::list,
        schedule::decide::Purpose,
    },
    parameters::{ReadError, ReadMode, Reading},
};

/// Most failures that are told of one call.
const FAILURES: usize = 5;

/// A session, and on whose behalf it is used.
struct Session<'a> {
    reader: &'a StoreReader,
    object: ObjectRef,
    mode: ReadMode,
}

/// Checks a session that these objects read in.
pub(super) async fn check_session(
    reader: &StoreReader,
    readers: &[Readers<'_>],
    store: &StoreObject,
    connection: &StoreConnection,
) -> Vec<Line> {
    if readers.is_empty() {
        return Vec::new();
    }
    let session = Session { reader, object: store.audit_ref(), mode: store.mode };
    let (found, of_paths) = session.list(readers).await;
    if let Some(unreachable) = unreachable(&of_paths) {
        return unreachable;
    }
    let names = sample::names(readers, &found, &store.key.to_string(), connection);
    let (versions, of_versions) = session.versions(&names).await;
    if let Some(unreachable) = unreachable(&of_versions) {
        return unreachable;
    }
    let mut lines = Vec::new();
    if !of_paths.is_empty() || !versions.is_empty() || !of_versions.is_empty() {
        lines.push(Line::ok(ENDPOINT, format!("Parameter Store answers in region {}", reader.scope().region)));
    }
    lines.extend(of_paths.into_iter().chain(of_versions));
    lines.extend(session.decrypt(&names, &versions).await);
    lines.extend(session.secrets(&names).await);
    lines
}

fn tried(names: &[ParameterRef]) -> String {
    format!("tried with {}", list(&names.iter().map(ToString::to_string).collect::<Vec<_>>()))
}

/// Returns the line that takes the place of all others if AWS cannot be reached.
fn unreachable(lines: &[Line]) -> Option<Vec<Line>> {
    let is_unreachable = |line: &&Line| line.reason == Some(Reason::EndpointUnreachable);
    lines.iter().find(is_unreachable).map(|line| vec![Line { check: ENDPOINT, ..line.clone() }])
}

impl Session<'_> {
    /// Lists the first page of some paths.
    async fn list(&self, readers: &[Readers<'_>]) -> (LookupResult, Vec<Line>) {
        let (mut found, mut errors) = (LookupResult::default(), BTreeMap::new());
        for query in sample::paths(readers) {
            match self.reader.first_page(&query, &self.object).await {
                Ok(children) => drop(found.listings.insert(query, children)),
                Err(error) => drop(errors.insert(query.parameter_ref(self.reader.scope()), error)),
            }
        }
        let listed: Vec<_> = found.listings.keys().map(ToString::to_string).collect();
        let mut lines = self.failures(GET_PARAMETERS_BY_PATH, &errors);
        if lines.is_empty() && !listed.is_empty() {
            lines.push(Line::ok(GET_PARAMETERS_BY_PATH, format!("lists {}", list(&listed))));
        }
        (found, lines)
    }

    /// Asks for the versions of some parameters.
    async fn versions(&self, names: &[Names<'_>]) -> (Versions, Vec<Line>) {
        let names = sample::versions(names);
        if names.is_empty() {
            return (Versions::default(), Vec::new());
        }
        let reading = self.read(&names, ReadMode::Version, Purpose::VersionCheck).await;
        let mut lines = self.failures(GET_PARAMETERS, &reading.errors);
        if lines.is_empty() {
            let is_absent = |(name, version): (&ParameterRef, &Option<_>)| version.is_none().then(|| name.to_string());
            let absent: Vec<_> = reading.versions.iter().filter_map(is_absent).collect();
            let absent = if absent.is_empty() { String::new() } else { format!("; not found: {}", list(&absent)) };
            lines.push(Line::ok(GET_PARAMETERS, tried(&names) + &absent));
        }
        (reading.versions, lines)
    }

    /// Decrypts a few parameters.
    async fn decrypt(&self, names: &[Names<'_>], versions: &Versions) -> Vec<Line> {
        let chosen = sample::encrypted(names, versions);
        if !chosen.is_empty() {
            return self.values(DECRYPT, &chosen).await;
        }
        let why = if sample::has_keys(names) {
            "not tried, because access rules decide by the keys of the parameters; the conditions of the objects tell"
        } else {
            "not tried, because no encrypted parameter was found"
        };
        vec![Line::skipped(DECRYPT, why)]
    }

    /// Reads a few secrets of Secrets Manager.
    async fn secrets(&self, names: &[Names<'_>]) -> Vec<Line> {
        let chosen = sample::references(names);
        if chosen.is_empty() { Vec::new() } else { self.values(GET_SECRET_VALUE, &chosen).await }
    }

    async fn values(&self, check: &'static str, chosen: &[ParameterRef]) -> Vec<Line> {
        // The values are dropped here.
        let Reading { errors, .. } = self.read(chosen, self.mode, Purpose::Revalidation).await;
        let lines = self.failures(check, &errors);
        if !lines.is_empty() {
            return lines;
        }
        vec![Line::ok(check, tried(chosen))]
    }

    async fn read(&self, names: &[ParameterRef], mode: ReadMode, purpose: Purpose) -> Reading {
        // What does not exist is no matter of permissions.
        let read = Read { optional: true, listed: false };
        let reads = names.iter().map(|name| (name, read)).collect();
        self.reader.read(&reads, mode, purpose, &self.object).await
    }

    /// Returns a line for each different failure.
    fn failures(&self, check: &'static str, errors: &BTreeMap<ParameterRef, ReadError>) -> Vec<Line> {
        let mut faults: Vec<Fault> = Vec::new();
        for (name, error) in errors {
            let fault = self.reader.fault(&BTreeMap::from([(name.clone(), error.clone())]));
            faults.extend(fault.filter(|fault| !faults.contains(fault)));
        }
        faults.into_iter().take(FAILURES).map(|fault| Line::failed(check, fault)).collect()
    }
}
