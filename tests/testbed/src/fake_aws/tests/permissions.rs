//! Policies with conditions, enforced on calls.

use serde_json::{Value, json};

use super::client::Client;
use crate::fake_aws::{FakeAws, Identity, PutOptions, ResourcePolicy, Role, parse_policy};

const READER: &str = "arn:aws:iam::111122223333:role/reader";

/// A policy document with these statements.
fn document(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// A caller with this policy alone.
fn caller(fake: &FakeAws, statements: &Value) -> Client {
    let policy = parse_policy(&document(statements)).expect("a valid policy");
    let identity = Identity::assumed_role("111122223333", "caller", "pod").with_policy(policy);
    fake.add_identity(identity.clone());
    Client::as_identity(fake, identity)
}

fn read(name: &str) -> Value {
    json!({"Names": [name], "WithDecryption": true})
}

/// The reason of a refusal, or "allowed".
async fn outcome(client: &Client, operation: &str, input: Value) -> String {
    let answer = if operation == "Decrypt" || operation == "DescribeKey" {
        client.kms(operation, input).await
    } else {
        client.ssm(operation, input).await
    };
    if answer.status == 200 { "allowed".to_owned() } else { answer.error().1 }
}

/// The documented policy with the least permissions of an operator.
fn least(key: &str) -> Value {
    json!([
        {"Effect": "Allow", "Action": "ssm:GetParameters",
         "Resource": "arn:aws:ssm:eu-central-1:111122223333:parameter/team-a/*"},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": {
            "StringEquals": {"kms:ViaService": "ssm.eu-central-1.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:PARAMETER_ARN":
                "arn:aws:ssm:eu-central-1:111122223333:parameter/team-a/*"}}},
    ])
}

#[tokio::test]
async fn decryption_is_allowed_through_parameter_store_alone() {
    let fake = FakeAws::start().await.expect("starts");
    let key = fake.create_key("shop");
    let options = || PutOptions { key: Some(key.clone()), ..Default::default() };
    fake.put_with("/team-a/x", "v", options());
    fake.put_with("/team-b/x", "v", options());
    let client = caller(&fake, &least(&key));
    assert_eq!(outcome(&client, "GetParameters", read("/team-a/x")).await, "allowed");
    let other = outcome(&client, "GetParameters", read("/team-b/x")).await;
    assert!(other.contains("ssm:GetParameters on resource: "), "{other}");
    // The ciphertext of a parameter opens only through the service.
    let sealed = client.ssm("GetParameters", json!({"Names": ["/team-a/x"]})).await.json();
    let pairs = json!({"PARAMETER_ARN": fake.parameter_arn("/team-a/x")});
    let direct = json!({"CiphertextBlob": sealed["Parameters"][0]["Value"], "EncryptionContext": pairs});
    let refused = outcome(&client, "Decrypt", direct).await;
    assert!(refused.contains("because no identity-based policy allows the kms:Decrypt action"), "{refused}");
    let described = outcome(&client, "DescribeKey", json!({"KeyId": key})).await;
    assert!(described.contains("kms:DescribeKey"), "{described}");
}

#[tokio::test]
async fn the_encryption_context_limits_the_parameters_of_a_key() {
    let fake = FakeAws::start().await.expect("starts");
    let key = fake.create_key("shop");
    fake.put_with("/team-b/x", "v", PutOptions { key: Some(key.clone()), ..Default::default() });
    let mut statements = least(&key);
    statements[0]["Resource"] = json!("*");
    let client = caller(&fake, &statements);
    let refused = outcome(&client, "GetParameters", read("/team-b/x")).await;
    assert!(refused.contains(&format!("kms:Decrypt on resource: {key} because no identity-based")), "{refused}");
    let blob = fake.encrypt("alias/shop", &[("App", "Shop")], b"v");
    let direct = |key_id: &str| json!({"CiphertextBlob": blob, "EncryptionContext": {"App": "Shop"}, "KeyId": key_id});
    let by_hand = |condition: Value| json!([{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": condition}]);
    for (condition, expected) in [
        (json!({"StringEquals": {"kms:EncryptionContext:App": "Shop"}, "Null": {"kms:ViaService": true}}), true),
        (json!({"StringEquals": {"kms:EncryptionContext:App": "shop"}}), false),
        (json!({"StringEquals": {"kms:RequestAlias": "alias/shop"}}), true),
        (json!({"StringEquals": {"kms:RequestAlias": "alias/other"}}), false),
        (json!({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["App"]}}), true),
        (json!({"StringNotEquals": {"aws:PrincipalAccount": "111122223333"}}), false),
        (json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/caller"}}), true),
    ] {
        let client = caller(&fake, &by_hand(condition.clone()));
        let allowed = outcome(&client, "Decrypt", direct("alias/shop")).await == "allowed";
        assert_eq!(allowed, expected, "{condition}");
    }
    let by_alias = caller(&fake, &by_hand(json!({"StringEquals": {"kms:RequestAlias": "alias/shop"}})));
    assert_ne!(outcome(&by_alias, "Decrypt", direct(&key)).await, "allowed", "the call names no alias");
}

#[tokio::test]
async fn tags_of_the_session_choose_the_parameters() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/shop/x", "v");
    fake.put("/bank/x", "v");
    let statements = json!([{"Effect": "Allow", "Action": ["ssm:GetParameters", "ssm:GetParametersByPath"],
        "Resource": "arn:aws:ssm:*:${aws:PrincipalAccount}:parameter/${aws:PrincipalTag/kubernetes-namespace}/*"}]);
    let policy = parse_policy(&document(&statements)).expect("a valid policy");
    fake.add_role(Role::new("111122223333", "reader").with_policy(policy));
    let client = Client::new(&fake);
    let tag = [("Tags.member.1.Key", "kubernetes-namespace"), ("Tags.member.1.Value", "shop")];
    let tagged = client.session(READER, &tag).await;
    assert_eq!(outcome(&tagged, "GetParameters", read("/shop/x")).await, "allowed");
    assert_ne!(outcome(&tagged, "GetParameters", read("/bank/x")).await, "allowed");
    let path = |path: &str| json!({"Path": path, "Recursive": true});
    assert_ne!(outcome(&tagged, "GetParametersByPath", path("/shop")).await, "allowed", "the path itself");
    assert_eq!(outcome(&tagged, "GetParametersByPath", path("/shop/deep")).await, "allowed");
    let untagged = client.session(READER, &[]).await;
    assert_ne!(outcome(&untagged, "GetParameters", read("/shop/x")).await, "allowed");
    assert_ne!(outcome(&untagged, "GetParameters", read("//x")).await, "allowed");
}

#[tokio::test]
async fn a_session_policy_limits_even_what_the_policy_of_a_key_grants() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/shop/x", "v");
    fake.add_role(Role::new("111122223333", "reader"));
    let client = Client::new(&fake);
    let get = json!({"Effect": "Allow", "Action": "ssm:GetParameters",
        "Resource": "arn:aws:ssm:eu-central-1:111122223333:parameter/shop/*"});
    let decrypt = json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*",
        "Condition": {"StringEquals": {"kms:ViaService": "ssm.eu-central-1.amazonaws.com"}}});
    let narrow = client.session(READER, &[("Policy", &document(&json!([get])))]).await;
    let refused = outcome(&narrow, "GetParameters", read("/shop/x")).await;
    assert!(refused.contains("because no session policy allows the kms:Decrypt action"), "{refused}");
    assert_eq!(outcome(&narrow, "GetParameters", json!({"Names": ["/shop/x"]})).await, "allowed");
    let both = client.session(READER, &[("Policy", &document(&json!([get, decrypt])))]).await;
    assert_eq!(outcome(&both, "GetParameters", read("/shop/x")).await, "allowed");
    let refused = outcome(&both, "GetParameters", read("/bank/x")).await;
    assert!(refused.contains("because no session policy allows the ssm:GetParameters action"), "{refused}");
    let denied = json!([get, decrypt, {"Effect": "Deny", "NotAction": "ssm:*", "NotResource": "arn:aws:ssm:*"}]);
    let denied = client.session(READER, &[("Policy", &document(&denied))]).await;
    let refused = outcome(&denied, "GetParameters", read("/shop/x")).await;
    assert!(refused.contains("with an explicit deny in a session policy"), "{refused}");
}

#[tokio::test]
async fn lists_are_authorised_as_a_whole() {
    let fake = FakeAws::start().await.expect("starts");
    fake.put("/shop/x", "v");
    let by_path = json!([
        {"Effect": "Allow", "Action": "ssm:GetParametersByPath",
         "Resource": "arn:aws:ssm:eu-central-1:111122223333:parameter/shop"},
        {"Effect": "Deny", "Action": "ssm:*", "Resource": "arn:aws:ssm:eu-central-1:111122223333:parameter/shop/x"},
    ]);
    let client = caller(&fake, &by_path);
    let input = json!({"Path": "/shop", "WithDecryption": true});
    assert_eq!(outcome(&client, "GetParametersByPath", input).await, "allowed", "children are not asked for");
    let deep = json!([
        {"Effect": "Allow", "Action": "ssm:GetParametersByPath", "Resource": "*"},
        {"Effect": "Deny", "Action": "ssm:GetParametersByPath", "Resource": "*",
         "Condition": {"StringEquals": {"ssm:Recursive": "true"}}},
    ]);
    let flat = caller(&fake, &deep);
    assert_eq!(outcome(&flat, "GetParametersByPath", json!({"Path": "/shop"})).await, "allowed");
    assert_ne!(outcome(&flat, "GetParametersByPath", json!({"Path": "/shop", "Recursive": true})).await, "allowed");
    assert_ne!(outcome(&client, "DescribeParameters", json!({})).await, "allowed");
    let describe =
        |resource: &str| json!([{"Effect": "Allow", "Action": "ssm:DescribeParameters", "Resource": resource}]);
    let narrow = caller(&fake, &describe("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/*"));
    assert_ne!(outcome(&narrow, "DescribeParameters", json!({})).await, "allowed");
    assert_eq!(outcome(&caller(&fake, &describe("*")), "DescribeParameters", json!({})).await, "allowed");
}

#[tokio::test]
async fn the_policy_of_a_key_decides_with_that_of_the_caller() {
    let fake = FakeAws::start().await.expect("starts");
    let key = fake.create_key("shop");
    fake.put_with("/team-a/x", "v", PutOptions { key: Some(key.clone()), ..Default::default() });
    let named = "arn:aws:iam::111122223333:role/caller";
    let with = |principal: &str, effect: &str| {
        let via = json!({"StringEquals": {"kms:ViaService": "ssm.eu-central-1.amazonaws.com"}});
        let statement = json!({"Effect": effect, "Principal": {"AWS": principal}, "Action": "kms:Decrypt",
            "Resource": "*", "Condition": via});
        let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        fake.set_key_policy("alias/shop", Some(ResourcePolicy::of_key(&document).expect("valid")));
    };
    let only_ssm = caller(&fake, &json!([{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]));
    let both = caller(&fake, &least(&key));
    for (principal, effect, by_ssm, by_both) in [
        (named, "Allow", "allowed", "allowed"),
        ("arn:aws:iam::111122223333:root", "Allow", "no identity-based policy", "allowed"),
        ("arn:aws:iam::111122223333:role/other", "Allow", "no resource-based policy", "no resource-based policy"),
        (named, "Deny", "explicit deny in a resource-based", "explicit deny in a resource-based"),
    ] {
        with(principal, effect);
        for (client, expected) in [(&only_ssm, by_ssm), (&both, by_both)] {
            let found = outcome(client, "GetParameters", read("/team-a/x")).await;
            assert!(found.contains(expected), "{found} for {principal} {effect}");
        }
    }
    with(named, "Allow");
    fake.add_role(Role::new("111122223333", "caller"));
    let policy = document(&json!([{"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}]));
    let narrow = Client::new(&fake).session(named, &[("Policy", &policy)]).await;
    let found = outcome(&narrow, "GetParameters", read("/team-a/x")).await;
    assert!(found.contains("because no session policy allows the kms:Decrypt action"), "{found}");
    fake.set_key_policy(&key, None);
    assert_eq!(outcome(&both, "GetParameters", read("/team-a/x")).await, "allowed");
}

#[tokio::test]
async fn the_key_of_a_secret_needs_permission_too() {
    let fake = FakeAws::start().await.expect("starts");
    let key = fake.create_key("secrets");
    fake.put_secret("plain", "v");
    fake.put_secret_with_key("sealed", "v", "alias/secrets");
    let reference = |id: &str| read(&format!("/aws/reference/secretsmanager/{id}"));
    let both = json!([
        {"Effect": "Allow", "Action": ["ssm:GetParameters", "secretsmanager:GetSecretValue"], "Resource": "*"},
        {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key, "Condition": {
            "StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:SecretARN":
                "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sealed-??????"}}},
    ]);
    let without = caller(&fake, &json!([both[0]]));
    assert_eq!(outcome(&without, "GetParameters", reference("plain")).await, "allowed", "the key of AWS");
    let refused = outcome(&without, "GetParameters", reference("sealed")).await;
    assert!(refused.ends_with("Access to KMS is not allowed"), "{refused}");
    assert_eq!(outcome(&caller(&fake, &both), "GetParameters", reference("sealed")).await, "allowed");
    fake.add_role(Role::new("111122223333", "reader"));
    let limited = Client::new(&fake).session(READER, &[("Policy", &document(&json!([both[0]])))]).await;
    let refused = outcome(&limited, "GetParameters", reference("plain")).await;
    assert!(refused.ends_with("Access to KMS is not allowed"), "{refused}");
}
