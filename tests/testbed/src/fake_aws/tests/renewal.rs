//! Sessions that end early, and roles that cannot be assumed.

use std::time::Duration;

use serde_json::json;

use super::client::Client;
use crate::fake_aws::{FakeAws, Fault, Role, clock};

const READER: &str = "arn:aws:iam::111122223333:role/reader";
const OTHER: &str = "arn:aws:iam::111122223333:role/other";

async fn with_roles() -> (FakeAws, Client) {
    let fake = FakeAws::start().await.expect("starts");
    fake.add_role(Role::new("111122223333", "reader"));
    fake.add_role(Role::new("111122223333", "other"));
    let client = Client::new(&fake);
    (fake, client)
}

/// The code of a read, or "allowed".
async fn read(client: &Client) -> String {
    let answer = client.ssm("GetParameters", json!({"Names": ["/x"]})).await;
    if answer.status == 200 { "allowed".to_owned() } else { answer.error().0 }
}

#[tokio::test]
async fn sessions_can_end_sooner_than_asked_for() {
    let (fake, client) = with_roles().await;
    fake.set_session_lifetime(Some(Duration::from_secs(30)));
    let answer = client.assume(READER, &[("DurationSeconds", "900")]).await;
    let end = clock::parse_basic(&answer.xml("Expiration").replace(['-', ':'], "")).expect("a time");
    assert!(end - clock::system() <= 30_000, "{}", answer.body);
    let mut short = Client::as_identity(&fake, answer.credentials());
    assert_eq!(read(&short).await, "allowed");
    fake.set_clock_offset(31);
    short.time = Some(clock::basic(clock::system() + 31_000));
    assert_eq!(read(&short).await, "ExpiredTokenException");
    fake.set_session_lifetime(None);
    let mut long = client.session(READER, &[("DurationSeconds", "900")]).await;
    long.time = Some(clock::basic(clock::system() + 31_000));
    assert_eq!(read(&long).await, "allowed");
}

#[tokio::test]
async fn all_sessions_of_a_role_expire_at_once() {
    let (fake, client) = with_roles().await;
    let sessions = [client.session(READER, &[]).await, client.session(READER, &[]).await];
    let other = client.session(OTHER, &[]).await;
    assert_eq!(fake.expire_sessions(READER), 2);
    for session in &sessions {
        assert_eq!(read(session).await, "ExpiredTokenException");
    }
    assert_eq!((read(&other).await, read(&client).await), ("allowed".to_owned(), "allowed".to_owned()));
    assert_eq!(read(&client.session(READER, &[]).await).await, "allowed");
}

#[tokio::test]
async fn a_revoked_session_is_denied_everything() {
    let (fake, client) = with_roles().await;
    fake.put("/x", "v");
    let session = client.session(READER, &[]).await;
    assert_eq!(fake.revoke_sessions("*:role/reader"), 1);
    let (code, message) = session.ssm("GetParameters", json!({"Names": ["/x"]})).await.error();
    assert_eq!(code, "AccessDeniedException");
    assert!(message.ends_with("with an explicit deny in an identity-based policy"), "{message}");
    let (code, message) = session.kms("DescribeKey", json!({"KeyId": "alias/aws/ssm"})).await.error();
    assert!(code == "AccessDeniedException" && message.contains("explicit deny"), "{message}");
    let chained = session.assume(OTHER, &[]).await;
    assert_eq!((chained.status, chained.xml("Code")), (403, "AccessDenied".into()));
    assert_eq!(session.sts("Action=GetCallerIdentity").await.status, 200, "it needs no permission");
    assert_eq!(read(&client.session(READER, &[]).await).await, "allowed", "new sessions are not revoked");
}

#[tokio::test]
async fn one_role_can_fail_alone() {
    let (fake, client) = with_roles().await;
    fake.fault_role(READER, Fault::Internal, 1);
    assert_eq!(client.assume(OTHER, &[]).await.status, 200);
    assert_eq!(client.assume(READER, &[]).await.status, 500);
    assert_eq!(client.assume(READER, &[]).await.status, 200);
    let rule = fake.deny("sts:AssumeRole", READER);
    assert_eq!(client.assume(READER, &[]).await.xml("Code"), "AccessDenied");
    fake.undeny(rule);
    fake.remove_role(READER);
    assert_eq!(client.assume(READER, &[]).await.xml("Code"), "AccessDenied");
}
