//! `GetParameter` and `GetParameters`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;

use super::client::{Client, texts};
use crate::fake_aws::{FakeAws, ParameterType, PutOptions, Tier};

#[tokio::test]
async fn a_batch_is_alphabetical_and_lists_missing_names() {
    let fake = FakeAws::start().await.expect("starts");
    assert_eq!(fake.put("/shop/b", "bee"), 1);
    fake.put("/shop/a", "one");
    assert_eq!(fake.put("/shop/a", "two"), 2);
    fake.label("/shop/a", 1, "prod");
    let names = ["/shop/b", "/shop/none", " /shop/a ", "/shop/a:1", "/shop/a:7", "/shop/b:prod", "/shop/a:prod"];
    let answer = Client::new(&fake).ssm("GetParameters", json!({"Names": names, "WithDecryption": true})).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(texts(&answer, "Parameters", "Name"), ["/shop/a", "/shop/a", "/shop/a", "/shop/b"]);
    assert_eq!(texts(&answer, "Parameters", "Value"), ["two", "one", "one", "bee"]);
    assert_eq!(texts(&answer, "Parameters", "Selector"), [":1", ":prod"]);
    assert_eq!(answer["InvalidParameters"], json!(["/shop/none", "/shop/a:7", "/shop/b:prod"]));
    let first = &answer["Parameters"][0];
    assert_eq!(first["ARN"], fake.parameter_arn("/shop/a"));
    assert_eq!(
        (&first["Version"], &first["Type"], &first["DataType"]),
        (&json!(2), &json!("SecureString"), &json!("text"))
    );
    assert!(first["LastModifiedDate"].as_f64().expect("a number") > 1.7e9);
}

#[tokio::test]
async fn a_batch_has_limits() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    let many: Vec<String> = (0..11).map(|n| format!("/p{n}")).collect();
    let (code, message) = client.ssm("GetParameters", json!({"Names": many})).await.error();
    assert_eq!(code, "ValidationException");
    assert!(message.starts_with("1 validation error detected: Value '[/p0, /p1,"), "{message}");
    assert!(
        message.ends_with("at 'names' failed to satisfy constraint: Member must have length less than or equal to 10")
    );
    assert_eq!(client.ssm("GetParameters", json!({"Names": many[..10]})).await.status, 200);
    for names in [json!([]), json!(["/x", "/x"]), json!(["x", "/x"]), json!(["/a b"])] {
        let answer = client.ssm("GetParameters", json!({"Names": names})).await;
        assert_eq!((answer.status, answer.error().0.as_str()), (400, "ValidationException"), "{names}");
    }
    assert_eq!(client.ssm("GetParameters", json!({"Name": "x"})).await.error().0, "SerializationException");
    assert_eq!(client.ssm("Nonsense", json!({})).await.error().0, "UnknownOperationException");
}

#[tokio::test]
async fn names_at_the_root_and_arns_mean_the_same_parameter() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("root", "value");
    let arn = fake.parameter_arn("root");
    for name in ["root", "/root", arn.as_str(), &format!("{arn}:1")] {
        let answer = Client::new(&fake).ssm("GetParameters", json!({"Names": [name]})).await.json();
        assert_eq!(answer["Parameters"][0]["ARN"], arn, "{name}");
        assert_eq!(answer["Parameters"][0]["Name"], "root");
    }
}

#[tokio::test]
async fn without_decryption_there_is_only_ciphertext_and_no_kms_call() {
    let fake = FakeAws::start().await.expect("starts");
    let large = "x".repeat(8000);
    fake.put("/secret", "correct horse");
    fake.put_with("/plain", "visible", PutOptions { kind: ParameterType::String, ..Default::default() });
    fake.put_with("/large", &large, PutOptions { tier: Some(Tier::Advanced), ..Default::default() });
    let client = Client::new(&fake);
    let names = json!(["/secret", "/plain", "/large"]);
    let answer = client.ssm("GetParameters", json!({"Names": names})).await.json();
    let values = texts(&answer, "Parameters", "Value");
    assert_eq!(values[1], "visible");
    let blob = BASE64.decode(values[2]).expect("base64");
    assert_eq!(blob[..5], [0x01, 0x02, 0x02, 0x00, 0x78]);
    assert!(values[2].starts_with("AQICAH"));
    assert!(values[0].starts_with("AYAD"), "the advanced tier is an envelope");
    assert!(!blob.windows(7).any(|part| part == b"correct"));
    assert_eq!((fake.decrypts(), fake.calls("GetParameters")), (0, 1));
    let answer = client.ssm("GetParameters", json!({"Names": names, "WithDecryption": true})).await.json();
    assert_eq!(texts(&answer, "Parameters", "Value"), [&large, "visible", "correct horse"]);
    assert_eq!(fake.decrypts(), 2);
}

#[tokio::test]
async fn a_single_read_says_what_is_missing() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/x", "value");
    let client = Client::new(&fake);
    let answer = client.ssm("GetParameter", json!({"Name": "/x:1", "WithDecryption": true})).await.json();
    assert_eq!((&answer["Parameter"]["Value"], &answer["Parameter"]["Selector"]), (&json!("value"), &json!(":1")));
    for (name, code) in [("/y", "ParameterNotFound"), ("/x:2", "ParameterVersionNotFound")] {
        assert_eq!(client.ssm("GetParameter", json!({"Name": name})).await.error().0, code);
    }
}

#[tokio::test]
async fn regions_and_accounts_are_separate_unless_shared() {
    let fake = FakeAws::start().await.expect("starts");
    let there = || PutOptions { account: Some("444455556666".into()), ..PutOptions::default() };
    let advanced = |key: &str| PutOptions { tier: Some(Tier::Advanced), key: Some(key.into()), ..there() };
    fake.put_with("/x", "other", advanced(&fake.create_key("common")));
    fake.put_with("/default-key", "other", advanced("alias/aws/ssm"));
    fake.put_with("/standard", "other", there());
    fake.put_with("/x", "south", PutOptions { region: Some("eu-south-1".into()), ..PutOptions::default() });
    let mut client = Client::new(&fake);
    let names = json!({"Names": ["/x"]});
    assert_eq!(client.ssm("GetParameters", names.clone()).await.json()["InvalidParameters"], json!(["/x"]));
    let arn = "arn:aws:ssm:eu-central-1:444455556666:parameter/x";
    let by_arn = json!({"Names": [arn], "WithDecryption": true});
    let (code, message) = client.ssm("GetParameters", by_arn.clone()).await.error();
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains(arn) && message.contains("no resource-based policy allows"), "{message}");
    assert!(fake.share(arn, "111122223333"));
    assert!(!fake.share("arn:aws:ssm:eu-central-1:444455556666:parameter/standard", "111122223333"));
    let shared = client.ssm("GetParameters", by_arn).await.json();
    assert_eq!((&shared["Parameters"][0]["ARN"], &shared["Parameters"][0]["Value"]), (&json!(arn), &json!("other")));
    let foreign_key = "arn:aws:ssm:eu-central-1:444455556666:parameter/default-key";
    assert!(fake.share(foreign_key, "111122223333"));
    let refused = client.ssm("GetParameters", json!({"Names": [foreign_key], "WithDecryption": true})).await;
    assert_eq!(refused.error().0, "AccessDeniedException", "aws/ssm of another account opens nothing");
    client.region = "eu-south-1".into();
    let answer = client.ssm("GetParameters", json!({"Names": ["/x"], "WithDecryption": true})).await.json();
    assert_eq!(answer["Parameters"][0]["Value"], "south");
}
