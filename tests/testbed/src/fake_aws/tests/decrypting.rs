//! `kms:Decrypt` by callers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::client::Client;
use crate::fake_aws::{FakeAws, KeyState};

/// A key with an alias, and its name in all four forms.
fn key(fake: &FakeAws, alias: &str) -> (String, [String; 4]) {
    let arn = fake.create_key(alias);
    let (prefix, id) = arn.split_once("key/").expect("an ARN of a key");
    let forms = [arn.clone(), format!("{prefix}alias/{alias}"), id.to_owned(), format!("alias/{alias}")];
    (arn.clone(), forms)
}

fn open(blob: &str, key_id: Option<&str>) -> Value {
    let mut input = json!({"CiphertextBlob": blob, "EncryptionContext": {"App": "Shop"}});
    if let Some(id) = key_id {
        input["KeyId"] = json!(id);
    }
    input
}

const CONTEXT: &[(&str, &str)] = &[("App", "Shop")];

#[tokio::test]
async fn every_form_of_the_key_id_is_accepted_and_another_key_is_refused() {
    let fake = FakeAws::start().await.expect("starts");
    let (arn, forms) = key(&fake, "shop");
    let (_, others) = key(&fake, "other");
    let client = Client::new(&fake);
    for form in &forms {
        let blob = fake.encrypt(form, CONTEXT, b"plaintext");
        for id in forms.iter().map(|form| Some(form.as_str())).chain([None]) {
            let answer = client.kms("Decrypt", open(&blob, id)).await.json();
            assert_eq!((&answer["Plaintext"], &answer["KeyId"]), (&json!(BASE64.encode("plaintext")), &json!(arn)));
        }
    }
    let blob = fake.encrypt("alias/shop", CONTEXT, b"plaintext");
    let text = "The key ID in the request does not identify a CMK that can perform this operation.";
    for id in &others {
        let error = client.kms("Decrypt", open(&blob, Some(id))).await.error();
        assert_eq!(error, ("IncorrectKeyException".to_owned(), text.to_owned()), "{id}");
    }
    fake.remove_key("alias/other");
    for id in others.iter().map(String::as_str).chain(["nonsense", "arn:aws:ssm:eu-central-1:1:parameter/x"]) {
        assert_eq!(client.kms("Decrypt", open(&blob, Some(id))).await.error().0, "NotFoundException", "{id}");
    }
    assert_eq!(fake.decrypts(), 20);
}

#[tokio::test]
async fn invalid_ciphertext_is_refused_without_a_message() {
    let fake = FakeAws::start().await.expect("starts");
    fake.create_key("shop");
    let blob = fake.encrypt("alias/shop", CONTEXT, b"plaintext");
    let mut bytes = BASE64.decode(&blob).expect("base64");
    *bytes.last_mut().expect("bytes") ^= 1;
    let client = Client::new(&fake);
    let bare = fake.encrypt("alias/shop", &[], b"plaintext");
    let more = json!({"CiphertextBlob": blob, "EncryptionContext": {"App": "Shop", "More": "x"}});
    for input in [
        json!({"CiphertextBlob": blob}),
        json!({"CiphertextBlob": blob, "EncryptionContext": {"app": "Shop"}}),
        json!({"CiphertextBlob": blob, "EncryptionContext": {"App": "shop"}}),
        more,
        open(&bare, None),
        open(&BASE64.encode(&bytes), None),
        open(&BASE64.encode(&bytes[..20]), None),
        open(&BASE64.encode("garbage"), None),
    ] {
        let answer = client.kms("Decrypt", input.clone()).await;
        assert_eq!((answer.status, answer.error()), (400, ("InvalidCiphertextException".into(), String::new())));
        let record = fake.records().pop().expect("a record");
        assert_eq!(record["errorCode"], "InvalidCiphertextException", "{input}");
    }
    assert_eq!(client.kms("Decrypt", json!({"CiphertextBlob": bare})).await.status, 200);
    assert_eq!(client.kms("Decrypt", open("not base64", None)).await.error().0, "SerializationException");
    assert_eq!(client.kms("Decrypt", open("", None)).await.error().0, "ValidationException");
    assert_eq!(client.kms("Decrypt", open(&BASE64.encode([1; 6145]), None)).await.error().0, "ValidationException");
}

#[tokio::test]
async fn the_state_and_the_permission_of_the_key_are_checked() {
    let fake = FakeAws::start().await.expect("starts");
    let (arn, _) = key(&fake, "shop");
    let blob = fake.encrypt(&arn, CONTEXT, b"plaintext");
    let client = Client::new(&fake);
    for (state, code, phrase) in [
        (KeyState::Disabled, "DisabledException", "disabled"),
        (KeyState::PendingDeletion, "KMSInvalidStateException", "pending deletion"),
        (KeyState::Unavailable, "KMSInvalidStateException", "unavailable"),
    ] {
        fake.set_key_state(&arn, state);
        let error = client.kms("Decrypt", open(&blob, None)).await.error();
        assert_eq!(error, (code.to_owned(), format!("{arn} is {phrase}.")));
    }
    fake.set_key_state(&arn, KeyState::Enabled);
    let rule = fake.deny("kms:Decrypt", &arn);
    let text = format!(
        "User: {} is not authorized to perform: kms:Decrypt on resource: {arn} because no identity-based policy allows \
         the kms:Decrypt action",
        client.identity.arn
    );
    let error = client.kms("Decrypt", open(&blob, Some("alias/shop"))).await.error();
    assert_eq!(error, ("AccessDeniedException".to_owned(), text));
    fake.undeny(rule);
    assert_eq!(client.kms("Decrypt", open(&blob, None)).await.status, 200);
    fake.remove_key(&arn);
    assert_eq!(client.kms("Decrypt", open(&blob, None)).await.error().0, "AccessDeniedException");
}

#[tokio::test]
async fn records_name_the_key_and_the_context() {
    let fake = FakeAws::start().await.expect("starts");
    let (arn, _) = key(&fake, "shop");
    fake.deny("kms:Encrypt", "*");
    fake.fault("*", crate::fake_aws::Fault::Throttle, 1);
    let blob = fake.encrypt("alias/shop", CONTEXT, b"swordfish");
    fake.clear_faults();
    assert_eq!((fake.records().len(), fake.calls("Encrypt")), (0, 0));
    let client = Client::new(&fake);
    for id in [None, Some("alias/shop")] {
        let answer = client.kms("Decrypt", open(&blob, id)).await;
        let record = fake.records().pop().expect("a record");
        let mut expected = json!({"encryptionAlgorithm": "SYMMETRIC_DEFAULT", "encryptionContext": {"App": "Shop"}});
        if let Some(id) = id {
            expected["keyId"] = json!(id);
        }
        assert_eq!(record["requestParameters"], expected);
        assert_eq!(record["resources"], json!([{"accountId": "111122223333", "type": "AWS::KMS::Key", "ARN": arn}]));
        assert_eq!(
            (record["requestID"].as_str(), &record["responseElements"]),
            (Some(answer.request_id()), &Value::Null)
        );
        assert!(record["userIdentity"].get("invokedBy").is_none());
    }
    let text = Value::from(fake.records()).to_string();
    assert!(!text.contains("swordfish") && !text.contains(&BASE64.encode("swordfish")) && !text.contains(&blob));
}
