//! `PutParameter`, labels, deletion.

use serde_json::{Value, json};

use super::client::Client;
use crate::fake_aws::{FakeAws, PutOptions, Tier};

fn put(name: &str, value: &str) -> Value {
    json!({"Name": name, "Value": value, "Type": "SecureString"})
}

fn with(mut input: Value, field: &str, value: Value) -> Value {
    input[field] = value;
    input
}

#[tokio::test]
async fn versions_increase_and_restart_after_deletion() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    let first = client.ssm("PutParameter", put("/x", "1")).await.json();
    assert_eq!(first, json!({"Version": 1, "Tier": "Standard"}));
    assert_eq!(client.ssm("PutParameter", put("/x", "2")).await.error().0, "ParameterAlreadyExists");
    let over = with(put("/x", "2"), "Overwrite", json!(true));
    assert_eq!(client.ssm("PutParameter", over.clone()).await.json()["Version"], 2);
    assert_eq!(client.ssm("DeleteParameter", json!({"Name": "/x"})).await.status, 200);
    assert_eq!(client.ssm("DeleteParameter", json!({"Name": "/x"})).await.error().0, "ParameterNotFound");
    assert_eq!(client.ssm("PutParameter", over).await.json()["Version"], 1);
    let answer = client.ssm("DeleteParameters", json!({"Names": ["/x", "/y"]})).await.json();
    assert_eq!(answer, json!({"DeletedParameters": ["/x"], "InvalidParameters": ["/y"]}));
}

#[tokio::test]
async fn invalid_parameters_are_refused() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    let large = "x".repeat(4097);
    let huge = "x".repeat(8193);
    for (input, code) in [
        (put("/x", ""), "ValidationException"),
        (put("/x", "{{other}}"), "ValidationException"),
        (put("/x", &large), "ValidationException"),
        (with(put("/x", &huge), "Tier", json!("Advanced")), "ValidationException"),
        (with(put("/x", "v"), "Type", Value::Null), "ValidationException"),
        (with(put("/x", "v"), "DataType", json!("nonsense")), "ValidationException"),
        (with(put("/x", "v"), "Policies", json!("[{\"Type\":\"Expiration\"}]")), "ValidationException"),
        (with(put("/x", "v"), "KeyId", json!("alias/none")), "InvalidKeyId"),
        (put("/aws/x", "v"), "AccessDeniedException"),
        (put("a/b", "v"), "ValidationException"),
    ] {
        let answer = client.ssm("PutParameter", input.clone()).await;
        assert_eq!((answer.status, answer.error().0.as_str()), (400, code), "{input:.80}");
    }
    assert_eq!(client.ssm("GetParameter", json!({"Name": "/x"})).await.error().0, "ParameterNotFound");
}

#[tokio::test]
async fn tiers_grow_and_never_shrink() {
    let fake = FakeAws::start().await.expect("starts");
    let client = Client::new(&fake);
    let large = "x".repeat(4097);
    let tier = |value: &str, tier: &str| with(with(put("/x", value), "Overwrite", json!(true)), "Tier", json!(tier));
    let mut tiers = Vec::new();
    for input in
        [tier("v", "Intelligent-Tiering"), tier(&large, "Intelligent-Tiering"), tier("v", "Intelligent-Tiering")]
    {
        tiers.push(client.ssm("PutParameter", input).await.json()["Tier"].clone());
    }
    assert_eq!(tiers, ["Standard", "Advanced", "Advanced"]);
    assert_eq!(client.ssm("PutParameter", tier("v", "Standard")).await.error().0, "ValidationException");
    let silent = with(put("/x", &large), "Overwrite", json!(true));
    assert_eq!(client.ssm("PutParameter", silent).await.json()["Tier"], "Advanced");
    let other = with(with(put("/x", "v"), "Overwrite", json!(true)), "Type", json!("String"));
    assert_eq!(client.ssm("PutParameter", other).await.error().0, "HierarchyTypeMismatchException");
}

#[tokio::test]
async fn a_hundred_versions_are_kept_unless_the_oldest_has_a_label() {
    let fake = FakeAws::start().await.expect("starts");
    for _ in 0..101 {
        fake.put("/x", "v");
    }
    let client = Client::new(&fake);
    let answer = client.ssm("GetParameters", json!({"Names": ["/x:1", "/x:2", "/x:101"]})).await.json();
    assert_eq!(answer["InvalidParameters"], json!(["/x:1"]));
    fake.label("/x", 2, "keep");
    let over = with(put("/x", "v"), "Overwrite", json!(true));
    assert_eq!(client.ssm("PutParameter", over).await.error().0, "ParameterMaxVersionLimitExceeded");
}

#[tokio::test]
async fn labels_move_and_invalid_ones_are_listed() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/x", "1");
    fake.put("/x", "2");
    let client = Client::new(&fake);
    let input = json!({"Name": "/x", "ParameterVersion": 1, "Labels": ["prod", "1st", "aws-x", "a b"]});
    let answer = client.ssm("LabelParameterVersion", input).await.json();
    assert_eq!(answer, json!({"InvalidLabels": ["1st", "aws-x", "a b"], "ParameterVersion": 1}));
    let move_it = json!({"Name": "/x", "Labels": ["prod"]});
    assert_eq!(client.ssm("LabelParameterVersion", move_it).await.json()["ParameterVersion"], 2);
    let read = json!({"Name": "/x:prod", "WithDecryption": true});
    assert_eq!(client.ssm("GetParameter", read.clone()).await.json()["Parameter"]["Value"], "2");
    let many: Vec<String> = (0..10).map(|n| format!("l{n}")).collect();
    let too_many = json!({"Name": "/x", "Labels": many});
    assert_eq!(client.ssm("LabelParameterVersion", too_many).await.error().0, "ParameterVersionLabelLimitExceeded");
    let away = json!({"Name": "/x", "ParameterVersion": 2, "Labels": ["prod"]});
    client.ssm("UnlabelParameterVersion", away).await;
    assert_eq!(client.ssm("GetParameter", read).await.error().0, "ParameterVersionNotFound");
}

#[tokio::test]
async fn calls_of_the_test_are_not_recorded() {
    let fake = FakeAws::start().await.expect("starts");
    fake.deny("*", "*");
    fake.fault("*", crate::fake_aws::Fault::Throttle, usize::MAX);
    assert_eq!(fake.put_with("/x", "v", PutOptions { tier: Some(Tier::Advanced), ..Default::default() }), 1);
    assert!(fake.delete("/x"));
    assert!(!fake.delete("/x"));
    assert_eq!(fake.records(), Vec::<Value>::new());
}
