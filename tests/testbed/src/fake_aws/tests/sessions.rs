//! STS: the identity of the caller, and role sessions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::client::{Answer, Client, encoded};
use crate::fake_aws::{FakeAws, Identity, PutOptions, Role, Statement, WebIdentity};

const OTHER: &str = "444455556666";
const ASSUME: &str =
    "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A444455556666%3Arole%2Freader&RoleSessionName=spo-1";

/// The client of a new session.
fn session(fake: &FakeAws, answer: &Answer) -> Client {
    Client::as_identity(fake, answer.credentials())
}

#[tokio::test]
async fn the_identity_of_the_caller_is_returned() {
    let fake = FakeAws::start().await.expect("starts");
    let answer = Client::new(&fake).sts("Action=GetCallerIdentity").await;
    let identity = fake.default_identity();
    assert_eq!(answer.xml("Arn"), "arn:aws:sts::111122223333:assumed-role/secure-parameter-operator/demo");
    assert_eq!((answer.xml("UserId"), answer.xml("Account")), (identity.principal_id, "111122223333".into()));
    assert_eq!(answer.xml("RequestId"), answer.request_id());
    assert_eq!(answer.headers["content-type"], "text/xml");
    let unknown = Client::new(&fake).sts("Action=Nonsense").await;
    assert_eq!((unknown.status, unknown.xml("Code")), (400, "InvalidAction".into()));
}

#[tokio::test]
async fn a_role_session_belongs_to_the_account_of_the_role() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put_with("/x", "theirs", PutOptions { account: Some(OTHER.into()), ..Default::default() });
    fake.put("/x", "ours");
    let client = Client::new(&fake);
    let refused = client.sts(ASSUME).await;
    assert_eq!((refused.status, refused.xml("Code")), (403, "AccessDenied".into()));
    fake.add_role(Role { external_id: Some("tenant".into()), ..Role::new(OTHER, "reader") });
    assert_eq!(client.sts(ASSUME).await.xml("Code"), "AccessDenied");
    let answer = client.sts(&format!("{ASSUME}&ExternalId=tenant&SourceIdentity=spo%40prod")).await;
    assert_eq!(answer.xml("Arn"), "arn:aws:sts::444455556666:assumed-role/reader/spo-1");
    assert_eq!(answer.xml("SourceIdentity"), "spo@prod");
    let other = session(&fake, &answer);
    let read = other.ssm("GetParameters", json!({"Names": ["/x"], "WithDecryption": true})).await.json();
    assert_eq!(read["Parameters"][0]["Value"], "theirs");
    let record = fake.records().pop().expect("a record");
    assert_eq!(record["userIdentity"]["sessionContext"]["sourceIdentity"], "spo@prod");
    let assumed = fake.records().into_iter().rfind(|record| record["eventName"] == "AssumeRole").expect("a record");
    assert_eq!(assumed["responseElements"]["credentials"]["accessKeyId"], other.identity.access_key_id);
    let secret = [other.identity.secret_access_key.clone(), other.identity.session_token.clone().expect("a token")];
    assert!(secret.iter().all(|secret| !assumed.to_string().contains(secret)));
    assert_eq!(other.sts("Action=GetCallerIdentity").await.xml("UserId"), answer.xml("AssumedRoleId"));
}

#[tokio::test]
async fn sessions_have_an_end_and_a_longest_duration() {
    let fake = FakeAws::start().await.expect("starts");
    fake.add_role(Role { max_session_seconds: 7200, ..Role::new(OTHER, "reader") });
    let client = Client::new(&fake);
    for (more, code) in [
        ("&DurationSeconds=899", "ValidationError"),
        ("&DurationSeconds=7200", "ValidationError"), // a chained role
        ("&SourceIdentity=a%2Fb", "ValidationError"),
        ("&Policy=nonsense", "MalformedPolicyDocument"),
    ] {
        assert_eq!(client.sts(&format!("{ASSUME}{more}")).await.xml("Code"), code, "{more}");
    }
    let user = Identity::user("111122223333", "ci");
    fake.add_identity(user.clone());
    let user = Client::as_identity(&fake, user);
    assert_eq!(user.sts(&format!("{ASSUME}&DurationSeconds=7200")).await.status, 200);
    assert_eq!(user.sts(&format!("{ASSUME}&DurationSeconds=7201")).await.xml("Code"), "ValidationError");
    let mut other = session(&fake, &client.sts(&format!("{ASSUME}&DurationSeconds=900")).await);
    fake.set_clock_offset(901);
    other.time = Some(crate::fake_aws::clock::basic(crate::fake_aws::clock::system() + 901_000));
    let late = other.ssm("GetParameters", json!({"Names": ["/x"]})).await;
    assert_eq!(late.error().0, "ExpiredTokenException");
}

#[tokio::test]
async fn policies_of_the_role_and_the_session_both_apply() {
    let fake = FakeAws::start().await.expect("starts");
    let policy = Some(vec![Statement::allow(&["ssm:*"], &["*:parameter/team/*"])]);
    fake.add_role(Role { policy, ..Role::new(OTHER, "reader") });
    let narrow = r#"{"Version":"2012-10-17","Statement":
        {"Effect":"Allow","Action":"ssm:GetParameters","Resource":"arn:aws:ssm:*:*:*/team/a"}}"#;
    let other = session(&fake, &Client::new(&fake).sts(&format!("{ASSUME}&Policy={}", encoded(narrow))).await);
    let read = |name: &str| json!({"Names": [name]});
    assert_eq!(other.ssm("GetParameters", read("/team/a")).await.status, 200);
    let by_session = other.ssm("GetParameters", read("/team/b")).await.error().1;
    assert!(by_session.contains("because no session policy allows"), "{by_session}");
    let by_role = other.ssm("GetParameters", read("/x/team/a")).await.error().1;
    assert!(by_role.contains("because no identity-based policy allows"), "{by_role}");
}

#[tokio::test]
async fn a_token_is_enough_for_a_role_that_trusts_its_subject() {
    let fake = FakeAws::start().await.expect("starts");
    let subject = "system:serviceaccount:shop:checkout";
    fake.add_role(Role { trusted_subjects: vec![subject.into()], ..Role::new(OTHER, "reader") });
    let claims = json!({"sub": subject, "aud": ["sts.amazonaws.com"], "iss": "https://cluster.test"});
    let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let form = ASSUME.replace("AssumeRole&", "AssumeRoleWithWebIdentity&");
    let kind = ("content-type", "application/x-www-form-urlencoded");
    let client = Client::new(&fake);
    let answer = client.unsigned(&[kind], &format!("{form}&WebIdentityToken={token}")).await;
    assert_eq!(answer.xml("SubjectFromWebIdentityToken"), subject);
    let record = fake.records().pop().expect("a record");
    assert_eq!(record["userIdentity"]["type"], "WebIdentityUser");
    assert_eq!(record["userIdentity"]["userName"], subject);
    assert!(!record.to_string().contains(&token));
    let other = session(&fake, &answer);
    assert_eq!(other.ssm("GetParameters", json!({"Names": ["/x"]})).await.status, 200);
    let federated = &fake.records().pop().expect("a record")["userIdentity"]["sessionContext"]["webIdFederationData"];
    assert_eq!(federated["federatedProvider"], "https://cluster.test");
    let stranger = client.unsigned(&[kind], &format!("{form}&WebIdentityToken=other")).await;
    assert_eq!((stranger.status, stranger.xml("Code")), (403, "AccessDenied".into()));
    fake.set_token_check(|token| match token {
        "good" => Ok(WebIdentity {
            subject: "system:serviceaccount:shop:checkout".into(),
            audience: "a".into(),
            provider: "p".into(),
        }),
        _ => Err("Couldn't retrieve verification key from your identity provider".to_owned()),
    });
    assert_eq!(client.unsigned(&[kind], &format!("{form}&WebIdentityToken=good")).await.status, 200);
    let bad = client.unsigned(&[kind], &format!("{form}&WebIdentityToken={token}")).await;
    assert_eq!((bad.status, bad.xml("Code")), (400, "InvalidIdentityToken".into()));
}
