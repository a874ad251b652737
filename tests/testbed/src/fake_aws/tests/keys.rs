//! KMS, alone and through Parameter Store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::client::Client;
use crate::fake_aws::{FakeAws, KeyState, PutOptions, Tier};

fn read() -> Value {
    json!({"Names": ["/good", "/locked"], "WithDecryption": true})
}

#[tokio::test]
async fn an_unusable_key_fails_the_whole_read_with_the_error_of_kms() {
    let fake = FakeAws::start().await.expect("starts");
    let arn = fake.create_key("shop");
    fake.put("/good", "fine");
    fake.put_with("/locked", "value", PutOptions { key: Some("alias/shop".into()), ..Default::default() });
    let client = Client::new(&fake);
    for (state, phrase, code) in [
        (KeyState::Disabled, "disabled", "DisabledException"),
        (KeyState::PendingDeletion, "pending deletion", "KMSInvalidStateException"),
        (KeyState::PendingImport, "pending import", "KMSInvalidStateException"),
    ] {
        fake.set_key_state("alias/shop", state);
        fake.clear_records();
        let answer = client.ssm("GetParameters", read()).await;
        let records = fake.records();
        let kms = records.iter().rfind(|record| record["eventSource"] == "kms.amazonaws.com").expect("a KMS record");
        let kms_id = kms["requestID"].as_str().expect("text");
        assert_ne!(kms_id, answer.request_id());
        let expected = format!(
            "{arn} is {phrase}. (Service: AWSKMS; Status Code: 400; Error Code: {code}; \
             Request ID: {kms_id}; Proxy: null)"
        );
        assert_eq!(answer.error(), ("InvalidKeyId".to_owned(), expected));
        assert_eq!((&kms["errorCode"], kms["resources"][0]["ARN"].as_str()), (&json!(code), Some(arn.as_str())));
        let cheap = json!({"Names": ["/good", "/locked"]});
        assert_eq!(client.ssm("GetParameters", cheap).await.status, 200, "without decryption the key is not asked");
    }
    fake.set_key_state(&arn, KeyState::Enabled);
    assert_eq!(client.ssm("GetParameters", read()).await.status, 200);
    fake.remove_key("alias/shop");
    let (code, message) = client.ssm("GetParameters", read()).await.error();
    assert_eq!(code, "InvalidKeyId");
    assert!(message.starts_with(&format!("Key '{arn}' does not exist (Service: AWSKMS;")), "{message}");
}

#[tokio::test]
async fn encryption_is_bound_to_key_and_context() {
    let fake = FakeAws::start().await.expect("starts");
    let key = fake.create_key("alias/one");
    let other = fake.create_key("two");
    let client = Client::new(&fake);
    let context = json!({"app": "checkout"});
    let sealed = json!({"KeyId": "alias/one", "Plaintext": BASE64.encode("hello"), "EncryptionContext": context});
    let sealed = client.kms("Encrypt", sealed).await.json();
    assert_eq!(sealed["KeyId"], key);
    let blob = &sealed["CiphertextBlob"];
    let open = |id: Value, pairs: Value| json!({"CiphertextBlob": blob, "KeyId": id, "EncryptionContext": pairs});
    let short = key.rsplit('/').next().expect("an id").to_owned();
    let alias = key.replace(&format!("key/{short}"), "alias/one");
    for id in [Value::Null, json!(key), json!(short), json!("alias/one"), json!(alias)] {
        let answer = client.kms("Decrypt", open(id.clone(), context.clone())).await.json();
        assert_eq!(answer["Plaintext"], BASE64.encode("hello"), "{id}");
    }
    for (id, pairs, code) in [
        (json!(other), context.clone(), "IncorrectKeyException"),
        (json!("alias/none"), context.clone(), "NotFoundException"),
        (Value::Null, json!({"app": "Checkout"}), "InvalidCiphertextException"),
        (Value::Null, json!({}), "InvalidCiphertextException"),
    ] {
        assert_eq!(client.kms("Decrypt", open(id, pairs)).await.error().0, code);
    }
    let junk = json!({"CiphertextBlob": BASE64.encode("junk")});
    assert_eq!(client.kms("Decrypt", junk).await.error().0, "InvalidCiphertextException");
    let long = json!({"KeyId": key, "Plaintext": BASE64.encode("x".repeat(4097))});
    assert_eq!(client.kms("Encrypt", long).await.error().0, "ValidationException");
    assert_eq!(fake.decrypts(), 5);
    fake.set_key_state(&key, KeyState::Disabled);
    let refused = client.kms("Decrypt", open(Value::Null, context)).await.error();
    assert_eq!(refused, ("DisabledException".to_owned(), format!("{key} is disabled.")));
}

#[tokio::test]
async fn parameters_can_be_decrypted_directly_only_with_customer_keys() {
    let fake = FakeAws::start().await.expect("starts");
    fake.create_key("shop");
    let mine = PutOptions { key: Some("alias/shop".into()), ..Default::default() };
    fake.put_with("/advanced", "v", PutOptions { tier: Some(Tier::Advanced), ..mine.clone() });
    fake.put("/default", "v");
    fake.put_with("/own", "value", mine);
    let client = Client::new(&fake);
    let read = client.ssm("GetParameters", json!({"Names": ["/advanced", "/default", "/own"]})).await.json();
    let open = |at: usize, name: &str| {
        let context = json!({"PARAMETER_ARN": fake.parameter_arn(name)});
        json!({"CiphertextBlob": read["Parameters"][at]["Value"], "EncryptionContext": context})
    };
    assert_eq!(client.kms("Decrypt", open(2, "/own")).await.json()["Plaintext"], BASE64.encode("value"));
    assert_eq!(client.kms("Decrypt", open(2, "/other")).await.error().0, "InvalidCiphertextException");
    assert_eq!(client.kms("Decrypt", open(0, "/advanced")).await.error().0, "InvalidCiphertextException");
    let (code, message) = client.kms("Decrypt", open(1, "/default")).await.error();
    assert_eq!(code, "AccessDeniedException");
    assert!(message.starts_with("The ciphertext refers to a customer master key that does not exist"), "{message}");
}

#[tokio::test]
async fn keys_have_states_and_managers() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    let default = client.kms("DescribeKey", json!({"KeyId": "alias/aws/ssm"})).await.json()["KeyMetadata"].clone();
    assert_eq!((&default["KeyManager"], &default["KeyState"]), (&json!("AWS"), &json!("Enabled")));
    assert_eq!(default["Arn"], fake.ssm_key());
    let made = client.kms("CreateKey", json!({"Description": "mine"})).await.json()["KeyMetadata"].clone();
    let id = json!({"KeyId": made["KeyId"]});
    let alias = json!({"AliasName": "alias/mine", "TargetKeyId": made["KeyId"]});
    assert_eq!(client.kms("CreateAlias", alias.clone()).await.status, 200);
    assert_eq!(client.kms("CreateAlias", alias).await.error().0, "AlreadyExistsException");
    let describe = || async {
        let key = client.kms("DescribeKey", json!({"KeyId": "alias/mine"})).await.json()["KeyMetadata"].clone();
        assert_eq!((&key["KeyManager"], &key["Arn"]), (&json!("CUSTOMER"), &made["Arn"]));
        (key["KeyState"].as_str().expect("text").to_owned(), key["DeletionDate"].is_number())
    };
    assert_eq!(describe().await, ("Enabled".into(), false));
    client.kms("DisableKey", id.clone()).await;
    assert_eq!(describe().await, ("Disabled".into(), false));
    client.kms("EnableKey", id.clone()).await;
    client.kms("ScheduleKeyDeletion", json!({"KeyId": made["KeyId"], "PendingWindowInDays": 7})).await;
    assert_eq!(describe().await, ("PendingDeletion".into(), true));
    assert_eq!(client.kms("EnableKey", id.clone()).await.error().0, "KMSInvalidStateException");
    client.kms("CancelKeyDeletion", id).await;
    assert_eq!(describe().await, ("Disabled".into(), false));
    let missing = client.kms("DescribeKey", json!({"KeyId": "alias/none"})).await.error();
    let text = "Alias arn:aws:kms:eu-central-1:111122223333:alias/none is not found.";
    assert_eq!(missing, ("NotFoundException".to_owned(), text.to_owned()));
}
