//! Web identity tokens that STS refuses.

use serde_json::json;

use super::client::{Answer, Client};
use crate::fake_aws::{FakeAws, ResourcePolicy, Role, TokenError, WebIdentity};

const FORM: &str = "Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::111122223333:role/reader\
                    &RoleSessionName=spo-1";
const KIND: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn ask(fake: &FakeAws, token: &str) -> Answer {
    Client::new(fake).unsigned(&[KIND], &format!("{FORM}&WebIdentityToken={token}")).await
}

fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, answer.xml("Code"))
}

/// Tokens of the form `subject/audience`.
fn check(token: &str) -> Result<WebIdentity, TokenError> {
    let (subject, audience) = token.split_once('/').ok_or_else(|| TokenError::Invalid("no token".to_owned()))?;
    if subject == "late" {
        return Err(TokenError::Expired("Token expired".to_owned()));
    }
    let provider = "https://cluster.test".to_owned();
    Ok(WebIdentity { subject: subject.to_owned(), audience: audience.to_owned(), provider })
}

#[tokio::test]
async fn a_role_demands_subject_audience_and_issuer() {
    let fake = FakeAws::start().await.expect("starts");
    fake.set_token_check(check);
    let role = Role {
        trusted_subjects: vec!["system:serviceaccount:shop:*".to_owned()],
        trusted_audiences: vec!["sts.amazonaws.com".to_owned()],
        ..Role::new("111122223333", "reader")
    };
    fake.add_role(role.clone());
    let good = "system:serviceaccount:shop:checkout/sts.amazonaws.com";
    assert_eq!(ask(&fake, good).await.status, 200);
    for token in ["system:serviceaccount:bank:checkout/sts.amazonaws.com", "system:serviceaccount:shop:checkout/vault"]
    {
        let answer = ask(&fake, token).await;
        assert_eq!(refusal(&answer), (403, "AccessDenied".into()));
        assert_eq!(answer.xml("Message"), "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    }
    fake.add_role(Role { trusted_providers: vec!["https://other".to_owned()], ..role });
    assert_eq!(refusal(&ask(&fake, good).await), (403, "AccessDenied".into()));
    fake.remove_role("arn:aws:iam::111122223333:role/reader");
    assert_eq!(refusal(&ask(&fake, good).await), (403, "AccessDenied".into()));
}

#[tokio::test]
async fn a_trust_policy_can_be_a_document() {
    let fake = FakeAws::start().await.expect("starts");
    fake.set_token_check(check);
    let document = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/cluster.test"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            "cluster.test:aud": "sts.amazonaws.com",
            "cluster.test:sub": "system:serviceaccount:shop:checkout"}},
    }]});
    let trust = ResourcePolicy::of_role(&document.to_string()).expect("valid");
    fake.add_role(Role::new("111122223333", "reader").with_trust(trust));
    assert_eq!(ask(&fake, "system:serviceaccount:shop:checkout/sts.amazonaws.com").await.status, 200);
    for token in ["system:serviceaccount:shop:other/sts.amazonaws.com", "system:serviceaccount:shop:checkout/vault"] {
        assert_eq!(refusal(&ask(&fake, token).await), (403, "AccessDenied".into()), "{token}");
    }
    let caller = Client::new(&fake).assume("arn:aws:iam::111122223333:role/reader", &[]).await;
    assert_eq!(refusal(&caller), (403, "AccessDenied".into()), "no other principal");
}

#[tokio::test]
async fn each_reason_has_its_error() {
    let fake = FakeAws::start().await.expect("starts");
    fake.add_role(Role::new("111122223333", "reader"));
    fake.set_token_check(check);
    assert_eq!(refusal(&ask(&fake, "nonsense").await), (400, "InvalidIdentityToken".into()));
    assert_eq!(refusal(&ask(&fake, "late/a").await), (400, "ExpiredTokenException".into()));
    fake.set_issuers_reachable(false);
    assert_eq!(refusal(&ask(&fake, "good/a").await), (400, "IDPCommunicationError".into()));
    fake.set_issuers_reachable(true);
    let policy = super::client::encoded(
        &json!({"Version": "2012-10-17", "Statement":
            {"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": "arn:aws:ssm:*:*:parameter/shop/*"}})
        .to_string(),
    );
    let answer = ask(&fake, &format!("good/a&Policy={policy}")).await;
    let session = Client::as_identity(&fake, answer.credentials());
    assert_eq!(session.ssm("GetParameters", json!({"Names": ["/shop/x"]})).await.status, 200);
    assert_eq!(session.ssm("GetParameters", json!({"Names": ["/bank/x"]})).await.status, 400);
    assert_eq!(ask(&fake, "good/a&Policy=nonsense").await.xml("Code"), "MalformedPolicyDocument");
}
