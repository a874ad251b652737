//! The records.

use serde_json::{Value, json};
use uuid::Uuid;

use super::client::Client;
use crate::fake_aws::{FakeAws, Identity, ParameterType, PutOptions, clock};

#[tokio::test]
async fn a_read_has_one_record_and_one_for_each_decryption() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/a", "1");
    fake.put("/b", "2");
    fake.put_with("/c", "3", PutOptions { kind: ParameterType::String, ..Default::default() });
    fake.set_clock_offset(90);
    let client = Client::new(&fake);
    let names = json!(["/c", "/b:1", "/a", "/none"]);
    let answer = client.ssm("GetParameters", json!({"Names": names, "WithDecryption": true})).await;
    let records = fake.records();
    let sources: Vec<&Value> = records.iter().map(|record| &record["eventSource"]).collect();
    assert_eq!(sources, ["kms.amazonaws.com", "kms.amazonaws.com", "ssm.amazonaws.com"]);
    let identity = fake.default_identity();
    let ssm = &records[2];
    check_event(ssm, &names, answer.request_id());
    let arn = |name: &str| json!({"accountId": "111122223333", "ARN": fake.parameter_arn(name)});
    assert_eq!(ssm["resources"], json!([arn("/c"), arn("/b"), arn("/a"), arn("/none")]));
    let who = &ssm["userIdentity"];
    assert_eq!((&who["type"], &who["arn"]), (&json!("AssumedRole"), &json!(identity.arn)));
    assert_eq!(
        (&who["principalId"], &who["accessKeyId"]),
        (&json!(identity.principal_id), &json!(identity.access_key_id))
    );
    let issuer = &who["sessionContext"]["sessionIssuer"];
    assert_eq!(issuer["arn"], "arn:aws:iam::111122223333:role/secure-parameter-operator");
    assert!(who.get("invokedBy").is_none());
    Uuid::parse_str(answer.request_id()).expect("a UUID");
    check_time(ssm, &answer.headers["date"]);
    check_decryptions(&fake, &records[..2], answer.request_id());
    assert!(!Value::from(records).to_string().contains("\"1\""));
}

/// Checks the fields of the event that are not about its caller or resources.
fn check_event(record: &Value, names: &Value, request_id: &str) {
    for (field, expected) in [
        ("eventVersion", json!("1.11")),
        ("eventName", json!("GetParameters")),
        ("awsRegion", json!("eu-central-1")),
        ("sourceIPAddress", json!("127.0.0.1")),
        ("userAgent", json!("testclient/1.0")),
        ("requestParameters", json!({"names": names, "withDecryption": true})),
        ("responseElements", Value::Null),
        ("requestID", json!(request_id)),
        ("readOnly", json!(true)),
        ("eventType", json!("AwsApiCall")),
        ("managementEvent", json!(true)),
        ("eventCategory", json!("Management")),
        ("recipientAccountId", json!("111122223333")),
    ] {
        assert_eq!(record[field], expected, "{field}");
    }
    assert!(record.get("errorCode").is_none());
}

/// Checks that the time of the record is that of the `Date` header.
fn check_time(record: &Value, date: &str) {
    let time = record["eventTime"].as_str().expect("text");
    let ms = clock::parse_basic(&time.replace(['-', ':'], "")).expect("a time");
    assert_eq!(clock::http(ms), date);
    let ahead = ms - clock::system();
    assert!((80_000..=90_000).contains(&ahead), "{ahead}");
}

fn check_decryptions(fake: &FakeAws, records: &[Value], ssm_request_id: &str) {
    for (record, name) in records.iter().zip(["/a", "/b"]) {
        let context = json!({"PARAMETER_ARN": fake.parameter_arn(name)});
        let parameters = json!({"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": context});
        assert_eq!(record["requestParameters"], parameters);
        let key = json!([{"accountId": "111122223333", "type": "AWS::KMS::Key", "ARN": fake.ssm_key()}]);
        assert_eq!(record["resources"], key);
        assert_eq!((&record["eventName"], &record["readOnly"]), (&json!("Decrypt"), &json!(true)));
        assert_eq!(record["userIdentity"]["invokedBy"], "ssm.amazonaws.com");
        assert_eq!(record["userIdentity"]["arn"], fake.default_identity().arn);
        assert_ne!(record["requestID"], ssm_request_id);
    }
    assert_ne!(records[0]["requestID"], records[1]["requestID"]);
}

#[tokio::test]
async fn failures_are_recorded_except_a_single_missing_parameter() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    client.ssm("GetParameter", json!({"Name": "/none"})).await;
    assert_eq!((fake.records().len(), fake.calls("GetParameter")), (0, 1));
    client.ssm("GetParameters", json!({"Names": ["/none"]})).await;
    assert!(fake.records()[0].get("errorCode").is_none(), "a batch with misses looks like a success");
    fake.deny("ssm:GetParameters", "*");
    let (code, message) = client.ssm("GetParameters", json!({"Names": ["/none"]})).await.error();
    let record = &fake.records()[1];
    assert_eq!((&record["errorCode"], &record["errorMessage"]), (&json!(code), &json!(message)));
    assert_eq!(record["requestParameters"], json!({"names": ["/none"]}));
    fake.clear_records();
    assert_eq!((fake.records().len(), fake.calls("GetParameters")), (0, 0));
}

#[tokio::test]
async fn records_contain_no_values() {
    let fake = FakeAws::start().await.expect("starts");
    let user = Identity::user("111122223333", "ada");
    fake.add_identity(user.clone());
    let client = Client::as_identity(&fake, user);
    let put = json!({"Name": "/x", "Value": "swordfish", "Type": "String", "Overwrite": true});
    client.ssm("PutParameter", put).await;
    let record = fake.records().pop().expect("a record");
    let parameters =
        json!({"name": "/x", "value": "HIDDEN_DUE_TO_SECURITY_REASONS", "type": "String", "overwrite": true});
    assert_eq!(record["requestParameters"], parameters);
    assert_eq!(record["responseElements"], json!({"version": 1, "tier": "Standard"}));
    assert_eq!(record["readOnly"], false);
    assert_eq!(
        (&record["userIdentity"]["type"], &record["userIdentity"]["userName"]),
        (&json!("IAMUser"), &json!("ada"))
    );
    let key = fake.create_key("shop");
    let sealed = json!({"KeyId": "alias/shop", "Plaintext": "c3dvcmRmaXNo", "EncryptionContext": {"App": "X"}});
    let blob = client.kms("Encrypt", sealed).await.json()["CiphertextBlob"].clone();
    client.kms("Decrypt", json!({"CiphertextBlob": blob, "EncryptionContext": {"App": "X"}})).await;
    client.kms("DescribeKey", json!({"KeyId": "alias/shop"})).await;
    let records = fake.records();
    let [.., encrypt, decrypt, describe] = &records[..] else { unreachable!("four records") };
    let expected =
        json!({"keyId": "alias/shop", "encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": {"App": "X"}});
    assert_eq!(encrypt["requestParameters"], expected);
    assert_eq!(
        decrypt["requestParameters"],
        json!({"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": {"App": "X"}})
    );
    assert_eq!(describe["requestParameters"], json!({"keyId": "alias/shop"}));
    for record in [encrypt, decrypt, describe] {
        assert_eq!(record["resources"][0]["ARN"], key);
        assert!(record["userIdentity"].get("invokedBy").is_none());
    }
    let text = Value::from(records.clone()).to_string();
    assert!(!text.contains("swordfish") && !text.contains("c3dvcmRmaXNo"));
}
