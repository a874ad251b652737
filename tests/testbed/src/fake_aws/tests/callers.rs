//! Credentials, signatures, permissions.

use serde_json::{Value, json};

use super::client::Client;
use crate::fake_aws::{FakeAws, Identity, PutOptions, Statement, clock};

async fn refusals(client: &Client) -> [(u16, String); 3] {
    let ssm = client.ssm("GetParameters", json!({"Names": ["/x"]})).await;
    let kms = client.kms("DescribeKey", json!({"KeyId": "alias/aws/ssm"})).await;
    let sts = client.sts("Action=GetCallerIdentity").await;
    [(ssm.status, ssm.error().0), (kms.status, kms.error().0), (sts.status, sts.xml("Code"))]
}

fn expected(json_code: &str, query_code: &str) -> [(u16, String); 3] {
    [(400, json_code.into()), (400, json_code.into()), (403, query_code.into())]
}

#[tokio::test]
async fn unknown_expired_and_incomplete_credentials_are_refused() {
    let fake = FakeAws::start().await.expect("starts");
    let stranger = Client::as_identity(&fake, Identity::user("111122223333", "stranger"));
    let unknown = expected("UnrecognizedClientException", "InvalidClientTokenId");
    assert_eq!(refusals(&stranger).await, unknown);
    fake.add_identity(stranger.identity.clone());
    assert_eq!(stranger.sts("Action=GetCallerIdentity").await.status, 200);
    fake.expire(&stranger.identity.access_key_id);
    assert_eq!(refusals(&stranger).await, expected("ExpiredTokenException", "ExpiredToken"));
    fake.remove_identity(&stranger.identity.access_key_id);
    assert_eq!(refusals(&stranger).await, unknown);
    let mut tokenless = Client::new(&fake);
    tokenless.identity.session_token = None;
    assert_eq!(refusals(&tokenless).await, unknown);
    let recorded: Vec<Value> = fake.records().iter().map(|record| record["eventName"].clone()).collect();
    assert_eq!(recorded, ["GetCallerIdentity"], "rejected credentials have no principal to record");
}

#[tokio::test]
async fn signatures_are_checked() {
    let fake = FakeAws::start().await.expect("starts");
    let wrong = expected("InvalidSignatureException", "SignatureDoesNotMatch");
    let mut forger = Client::new(&fake);
    forger.identity.secret_access_key = "guess".into();
    assert_eq!(refusals(&forger).await, wrong);
    let mut elsewhere = Client::new(&fake);
    elsewhere.scope_service = Some("s3".into());
    assert_eq!(refusals(&elsewhere).await, wrong);
    let mut late = Client::new(&fake);
    late.time = Some(clock::basic(clock::system() - 6 * 60 * 1000));
    assert_eq!(refusals(&late).await, wrong);
    let message = late.ssm("GetParameters", json!({"Names": ["/x"]})).await.error().1;
    assert!(message.starts_with("Signature expired: ") && message.ends_with(" - 5 min.)"), "{message}");
    fake.set_clock_offset(-6 * 60);
    assert_eq!(late.sts("Action=GetCallerIdentity").await.status, 200, "the service's clock counts");
    let target = ("x-amz-target", "AmazonSSM.GetParameters");
    let answer = late.unsigned(&[target], "{}").await;
    assert_eq!(answer.error().0, "MissingAuthenticationTokenException");
    let answer = late.unsigned(&[target, ("authorization", "AWS4-HMAC-SHA256 Credential=x")], "{}").await;
    assert_eq!(answer.error().0, "IncompleteSignatureException");
}

#[tokio::test]
async fn a_denied_name_fails_the_whole_call() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/open", "v");
    fake.put("/closed", "v");
    let client = Client::new(&fake);
    let rule = fake.deny("ssm:GetParameters", "*:parameter/closed*");
    let both = json!({"Names": ["/open", "/closed:1"], "WithDecryption": true});
    let answer = client.ssm("GetParameters", both.clone()).await;
    let text = "User: arn:aws:sts::111122223333:assumed-role/secure-parameter-operator/demo is not authorized to \
                perform: ssm:GetParameters on resource: arn:aws:ssm:eu-central-1:111122223333:parameter/closed because \
                no identity-based policy allows the ssm:GetParameters action";
    assert_eq!((answer.status, answer.error()), (400, ("AccessDeniedException".to_owned(), text.to_owned())));
    assert_eq!(fake.decrypts(), 0);
    let single = json!({"Name": "/closed"});
    assert_eq!(client.ssm("GetParameter", single).await.status, 200, "each action is authorised alone");
    fake.undeny(rule);
    assert_eq!(client.ssm("GetParameters", both.clone()).await.status, 200);
    fake.deny_principal("*:user/*", "*", "*");
    assert_eq!(client.ssm("GetParameters", both).await.status, 200);
    fake.deny("*", "*");
    assert_eq!(client.sts("Action=GetCallerIdentity").await.status, 200);
}

#[tokio::test]
async fn a_denied_decryption_has_the_error_of_kms() {
    let fake = FakeAws::start().await.expect("starts");
    let key = fake.create_key("shop");
    fake.put_with("/x", "v", PutOptions { key: Some("alias/shop".into()), ..Default::default() });
    fake.deny("kms:Decrypt", &key);
    let client = Client::new(&fake);
    let (code, message) = client.ssm("GetParameters", json!({"Names": ["/x"], "WithDecryption": true})).await.error();
    let kms = fake.records().into_iter().find(|record| record["eventName"] == "Decrypt").expect("a record");
    let expected = format!(
        "User: {} is not authorized to perform: kms:Decrypt on resource: {key} because no identity-based policy allows \
         the kms:Decrypt action (Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException; Request ID: {}; \
         Proxy: null)",
        client.identity.arn,
        kms["requestID"].as_str().expect("text")
    );
    assert_eq!((code.as_str(), message), ("AccessDeniedException", expected));
    assert_eq!(client.ssm("GetParameters", json!({"Names": ["/x"]})).await.status, 200);
}

#[tokio::test]
async fn an_allow_list_allows_nothing_else() {
    let fake = FakeAws::start().await.expect("starts");
    let key = fake.create_key("shop");
    fake.put("/team/x", "v");
    fake.put("/other/x", "v");
    fake.put_with("/team/y", "v", PutOptions { key: Some(key.clone()), ..Default::default() });
    let policy = vec![
        Statement::allow(&["ssm:GetParameter*"], &["*:parameter/team/*"]),
        Statement::deny(&["ssm:*"], &["*:parameter/team/z"]),
    ];
    fake.set_policy(Some(policy.clone()));
    let client = Client::new(&fake);
    let get = |name: &str| json!({"Names": [name], "WithDecryption": true});
    assert_eq!(client.ssm("GetParameters", get("/team/x")).await.status, 200, "aws/ssm needs no statement");
    let refused = client.ssm("GetParameters", get("/other/x")).await.error().1;
    assert!(refused.ends_with("because no identity-based policy allows the ssm:GetParameters action"), "{refused}");
    let denied = client.ssm("GetParameters", get("/team/z")).await.error().1;
    assert!(denied.ends_with("with an explicit deny in an identity-based policy"), "{denied}");
    let own_key = client.ssm("GetParameters", get("/team/y")).await.error().1;
    assert!(own_key.contains(&format!("kms:Decrypt on resource: {key} because no identity-based")), "{own_key}");
    let mut wider = policy;
    wider.push(Statement::allow(&["kms:Decrypt"], &[&key]));
    fake.set_policy(Some(wider.clone()));
    assert_eq!(client.ssm("GetParameters", get("/team/y")).await.status, 200);
    wider.push(Statement::deny(&["kms:Decrypt"], &["*"]));
    fake.set_policy(Some(wider));
    assert_eq!(client.ssm("GetParameters", get("/team/x")).await.error().0, "AccessDeniedException");
}
