//! Tags, source identity and limits of sessions, alone and in a chain of roles.

use serde_json::{Value, json};

use super::client::{Answer, Client};
use crate::fake_aws::{FakeAws, Identity, ResourcePolicy, Role, Statement};

const FIRST: &str = "arn:aws:iam::111122223333:role/first";
const SECOND: &str = "arn:aws:iam::444455556666:role/second";

const TAGS: [(&str, &str); 5] = [
    ("Tags.member.1.Key", "team"),
    ("Tags.member.1.Value", "shop"),
    ("Tags.member.2.Key", "stage"),
    ("Tags.member.2.Value", "prod"),
    ("TransitiveTagKeys.member.1", "team"),
];

async fn with_roles() -> (FakeAws, Client) {
    let fake = FakeAws::start().await.expect("starts");
    fake.add_role(Role::new("111122223333", "first"));
    fake.add_role(Role::new("444455556666", "second"));
    let client = Client::new(&fake);
    (fake, client)
}

fn refusal(answer: &Answer) -> (u16, String, String) {
    (answer.status, answer.xml("Code"), answer.xml("Message"))
}

fn last(fake: &FakeAws, name: &str) -> Value {
    fake.records().into_iter().rfind(|record| record["eventName"] == name).expect(name)
}

#[tokio::test]
async fn transitive_tags_and_the_source_identity_stay_in_a_chain() {
    let (fake, client) = with_roles().await;
    let first = client.session(FIRST, &[&TAGS[..], &[("SourceIdentity", "spo@prod")]].concat()).await;
    let request = &last(&fake, "AssumeRole")["requestParameters"];
    let tags = json!([{"key": "team", "value": "shop"}, {"key": "stage", "value": "prod"}]);
    let expected = json!({"roleArn": FIRST, "roleSessionName": "spo-1", "sourceIdentity": "spo@prod", "tags": tags,
        "transitiveTagKeys": ["team"]});
    assert_eq!(*request, expected);

    let answer = first.assume(SECOND, &[]).await;
    assert_eq!(answer.xml("SourceIdentity"), "spo@prod");
    let record = last(&fake, "AssumeRole");
    assert_eq!(record["requestParameters"]["incomingTransitiveTags"], json!({"team": "shop"}));
    assert_eq!(record["userIdentity"]["sessionContext"]["sourceIdentity"], "spo@prod");
    let second = Client::as_identity(&fake, answer.credentials());
    let by_tag = |tag: &str| {
        let resource = format!("arn:aws:ssm:*:*:parameter/${{aws:PrincipalTag/{tag}}}/*");
        assert!(fake.set_role_policy(SECOND, Some(vec![Statement::allow(&["ssm:*"], &[&resource])])));
    };
    let read = |name: &str| second.ssm("GetParameters", json!({"Names": [name]}));
    by_tag("team");
    assert_eq!(read("/shop/x").await.status, 200, "the policy of the role acts on present sessions");
    by_tag("stage");
    assert_eq!(read("/prod/x").await.status, 400, "the other tag is not transitive");

    let conflict = [("Tags.member.1.Key", "Team"), ("Tags.member.1.Value", "bank")];
    let (status, code, message) = refusal(&first.assume(SECOND, &conflict).await);
    assert_eq!((status, code.as_str()), (400, "InvalidParameterValue"));
    assert!(message.contains("conflicts with a transitive tag key from the calling session"), "{message}");
    let changed = first.assume(SECOND, &[("SourceIdentity", "other")]).await;
    assert_eq!(changed.xml("Code"), "AccessDenied");
    fake.set_role_policy(SECOND, None);
    let third = second.assume(FIRST, &[]).await;
    assert_eq!(third.xml("SourceIdentity"), "spo@prod");
}

#[tokio::test]
async fn a_session_policy_is_not_inherited() {
    let (fake, client) = with_roles().await;
    let policy = json!({"Version": "2012-10-17", "Statement":
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": SECOND}});
    let first = client.session(FIRST, &[("Policy", &policy.to_string())]).await;
    assert_eq!(last(&fake, "AssumeRole")["requestParameters"]["policy"], policy.to_string());
    assert_eq!(first.ssm("GetParameters", json!({"Names": ["/x"]})).await.status, 400);
    assert_eq!(first.assume(FIRST, &[]).await.xml("Code"), "AccessDenied");
    let second = first.session(SECOND, &[]).await;
    assert_eq!(second.ssm("GetParameters", json!({"Names": ["/x"]})).await.status, 200);
}

#[tokio::test]
async fn tags_and_the_source_identity_need_permission_on_both_sides() {
    let (fake, client) = with_roles().await;
    let source = [("SourceIdentity", "spo@prod")];
    let strict = Role { allows_tag_session: false, allows_set_source_identity: false, ..Role::new("1", "strict") };
    let arn = strict.arn.clone();
    fake.add_role(strict);
    for (more, action) in [(&TAGS[..], "sts:TagSession"), (&source[..], "sts:SetSourceIdentity")] {
        let (status, code, message) = refusal(&client.assume(&arn, more).await);
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
        assert!(message.contains(&format!("is not authorized to perform: {action} on resource: {arn}")), "{message}");
    }
    let chained = client.session(FIRST, &TAGS).await;
    assert!(chained.assume(&arn, &[]).await.xml("Message").contains("sts:TagSession"), "inherited tags count too");
    fake.set_policy(Some(vec![Statement::allow(&["sts:AssumeRole"], &["*"])]));
    assert_eq!(client.assume(FIRST, &[]).await.status, 200);
    assert_eq!(client.assume(FIRST, &TAGS).await.xml("Code"), "AccessDenied");
    fake.set_policy(Some(vec![
        Statement::allow(&["sts:AssumeRole"], &["*"]).when("StringEquals", "sts:ExternalId", &["tenant"]),
        Statement::allow(&["sts:TagSession"], &["*"]).when("StringEquals", "aws:RequestTag/team", &["shop"]).when(
            "ForAllValues:StringEquals",
            "aws:TagKeys",
            &["team", "stage"],
        ),
        Statement::allow(&["sts:SetSourceIdentity"], &["*"]).when("StringLike", "sts:SourceIdentity", &["spo@*"]),
    ]));
    let external = [("ExternalId", "tenant")];
    assert_eq!(client.assume(FIRST, &TAGS).await.xml("Code"), "AccessDenied");
    assert_eq!(client.assume(FIRST, &[&TAGS[..], &external, &source].concat()).await.status, 200);
    let other = [("SourceIdentity", "someone")];
    assert_eq!(client.assume(FIRST, &[&external[..], &other].concat()).await.xml("Code"), "AccessDenied");
}

#[tokio::test]
async fn a_trust_policy_as_a_document_has_all_conditions() {
    let (fake, client) = with_roles().await;
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "sts:AssumeRole",
         "Condition": {"StringEquals": {"sts:ExternalId": "tenant"}}},
        {"Effect": "Allow", "Principal": {"AWS": client.identity.arn}, "Action": "sts:TagSession",
         "Condition": {"StringEquals": {"aws:RequestTag/team": "shop"}}},
    ]});
    let trust = ResourcePolicy::of_role(&document.to_string()).expect("valid");
    fake.add_role(Role::new("444455556666", "second").with_trust(trust));
    let external = [("ExternalId", "tenant")];
    assert_eq!(client.assume(SECOND, &external).await.status, 200);
    assert_eq!(client.assume(SECOND, &[]).await.xml("Code"), "AccessDenied");
    assert_eq!(client.assume(SECOND, &[&external[..], &TAGS].concat()).await.status, 200);
    let source = [("SourceIdentity", "spo@prod")];
    let refused = client.assume(SECOND, &[&external[..], &source].concat()).await;
    assert!(refused.xml("Message").contains("sts:SetSourceIdentity"), "{}", refused.body);
    let stranger = client.session(FIRST, &[]).await;
    assert_eq!(stranger.assume(SECOND, &[&external[..], &TAGS].concat()).await.xml("Code"), "AccessDenied");
}

#[tokio::test]
async fn a_chained_session_lasts_an_hour_at_most() {
    let (fake, client) = with_roles().await;
    fake.add_role(Role { max_session_seconds: 43_200, ..Role::new("111122223333", "first") });
    let long = [("DurationSeconds", "3601")];
    let (status, code, message) = refusal(&client.assume(FIRST, &long).await);
    assert_eq!((status, code.as_str()), (400, "ValidationError"));
    assert!(message.contains("exceeds the 1 hour session limit for roles assumed by role chaining"), "{message}");
    assert_eq!(client.assume(FIRST, &[("DurationSeconds", "3600")]).await.status, 200);
    let user = Identity::user("111122223333", "ci");
    fake.add_identity(user.clone());
    let user = Client::as_identity(&fake, user);
    assert_eq!(user.assume(FIRST, &[("DurationSeconds", "43200")]).await.status, 200);
    let beyond = user.assume(SECOND, &long).await;
    assert!(beyond.xml("Message").contains("exceeds the MaxSessionDuration set for this role"), "{}", beyond.body);
}

#[tokio::test]
async fn invalid_input_is_refused() {
    let (fake, client) = with_roles().await;
    let big = format!("{{\"Version\":\"{}\"}}", "x".repeat(2048));
    let tag = |key: &'static str, value: &'static str| vec![("Tags.member.1.Key", key), ("Tags.member.1.Value", value)];
    let long_name = "a".repeat(65);
    for (more, code, complaint) in [
        (vec![("Policy", big.as_str())], "ValidationError", "length less than or equal to 2048"),
        (vec![("Policy", "{}")], "MalformedPolicyDocument", "version"),
        (vec![("ExternalId", "x")], "ValidationError", "greater than or equal to 2"),
        (vec![("ExternalId", "a b")], "ValidationError", "regular expression"),
        (vec![("SourceIdentity", long_name.as_str())], "ValidationError", "less than or equal to 64"),
        (vec![("DurationSeconds", "899")], "ValidationError", "greater than or equal to 900"),
        (tag("a*", "v"), "ValidationError", "tags.1.member.key"),
        (tag("a", "v*"), "ValidationError", "tags.1.member.value"),
        (vec![("Tags.member.1.Key", "a")], "ValidationError", "null"),
        (
            [tag("a", "1"), vec![("Tags.member.2.Key", "A"), ("Tags.member.2.Value", "2")]].concat(),
            "InvalidParameterValue",
            "Duplicate tag keys",
        ),
        (vec![("TransitiveTagKeys.member.1", "a")], "InvalidParameterValue", "must be included"),
    ] {
        let (status, found, message) = refusal(&client.assume(FIRST, &more).await);
        assert_eq!((status, found.as_str()), (400, code), "{more:?}");
        assert!(message.contains(complaint), "{message} for {more:?}");
    }
    for name in ["a", "a/b", "a b", &long_name] {
        let form = format!("Action=AssumeRole&RoleArn={FIRST}&RoleSessionName={name}");
        assert_eq!(client.sts(&form).await.xml("Code"), "ValidationError", "{name}");
    }
    fake.set_packed_limit(Some(10));
    let (_, code, message) = refusal(&client.assume(FIRST, &TAGS).await);
    let expected = "Packed policy consumes 170% of allotted space, please use smaller policy.";
    assert_eq!((code.as_str(), message.as_str()), ("PackedPolicyTooLarge", expected));
    fake.set_packed_limit(Some(100));
    assert_eq!(client.assume(FIRST, &TAGS).await.xml("PackedPolicySize"), "17");
    assert!(!client.assume(FIRST, &[]).await.body.contains("PackedPolicySize"));
}
