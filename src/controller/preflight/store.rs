//! Checks one store.

use futures::{StreamExt, stream};

use crate::controller::{
    preflight::{
        objects::{Objects, Planned, Readers},
        report::{CREDENTIALS, ENDPOINT, Line, OBJECTS, REGION, SPEC},
        session::check_session,
    },
    store::{
        connections::StoreConnection, fault::StoreFault, gateway::Gateway, object::StoreObject, open::open,
        open_session::open_session,
    },
};
use crate::{api::Reason, domain::report::text::list};

/// How many sessions of a store are checked at a time.
const CONCURRENT_SESSIONS: usize = 8;

/// Checks a store: opens it, and reads in each session that its objects need.
pub(super) async fn check_store(store: &StoreObject, objects: &Objects<'_>, gateway: &Gateway) -> Vec<Line> {
    let connection = match open(store, gateway, None).await {
        Ok(connection) => connection,
        Err(fault) => return vec![unopened(fault)],
    };
    let (scope, principal) = (connection.sessions.scope(), connection.sessions.principal());
    gateway.quotas.set(&store.key.path(), &scope.account, &scope.region, store.quota);
    let planned = objects.plan(store, &connection);
    let place = format!("account {}, region {}", scope.account, scope.region);
    let mut lines = vec![about_objects(&planned)];
    if let Some(reader) = connection.sessions.shared() {
        lines.push(Line::ok(CREDENTIALS, format!("{}, {place}", principal.arn)));
        lines.extend(check_session(reader, &planned.readers, store, &connection).await);
    } else {
        lines.push(Line::ok(CREDENTIALS, format!("sessions of {} for each namespace, {place}", principal.arn)));
        let checks = planned.readers.iter().map(|readers| in_session(readers, store, &connection, gateway));
        let found: Vec<_> = stream::iter(checks).buffered(CONCURRENT_SESSIONS).collect().await;
        lines.extend(found.into_iter().flatten());
    }
    lines
}

/// Opens the session of a namespace and reads in it.
async fn in_session(
    readers: &Readers<'_>,
    store: &StoreObject,
    connection: &StoreConnection,
    gateway: &Gateway,
) -> Vec<Line> {
    let (namespace, grant, object) = (readers.namespace.name.as_str(), readers.grant.as_ref(), store.audit_ref());
    let lines = match open_session(&connection.sessions, namespace, grant, &object, gateway).await {
        Ok(opened) => {
            let mut lines = vec![Line::ok(CREDENTIALS, opened.reader.principal().arn.clone())];
            lines.extend(check_session(&opened.reader, std::slice::from_ref(readers), store, connection).await);
            lines
        }
        Err(fault) if fault.reason == Reason::EndpointUnreachable => vec![Line::failed(ENDPOINT, fault)],
        Err(fault) => vec![Line::failed(CREDENTIALS, fault)],
    };
    lines.into_iter().map(|line| line.within(Some(namespace))).collect()
}

/// Returns the line about a store that cannot be opened.
fn unopened(fault: StoreFault) -> Line {
    let check = match fault.fault.reason {
        Reason::EndpointUnreachable => ENDPOINT,
        Reason::StoreNotReady if fault.is_of_spec() => REGION,
        _ if fault.is_of_spec() => SPEC,
        _ => CREDENTIALS,
    };
    Line::failed(check, fault.fault)
}

/// Returns the line about the objects of a store. An object that is refused says so itself, so this is no failure.
fn about_objects(planned: &Planned<'_>) -> Line {
    let Planned { readers, refused } = planned;
    let not_tried = match refused.as_slice() {
        [] => String::new(),
        [first, ..] => format!("; {} more may not read, the first is {first}", refused.len()),
    };
    if readers.is_empty() {
        let none = "no SecureParameter reads from this store, so Parameter Store was not asked for anything";
        return Line::skipped(OBJECTS, format!("{none}{not_tried}"));
    }
    let count: usize = readers.iter().map(|readers| readers.plans.len()).sum();
    let namespaces: Vec<_> = readers.iter().map(|readers| readers.namespace.name.as_str()).collect();
    Line::ok(OBJECTS, format!("{count} read from this store in {}{not_tried}", list(&namespaces)))
}
