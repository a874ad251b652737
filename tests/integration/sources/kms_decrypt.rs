//! Values that come another way: encrypted by hand, the version before the newest, secrets of Secrets Manager.

use anyhow::{Context, Result};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use secure_parameter_operator::api::names;
use serde_json::{Value, json};
use testbed::fake_aws::KeyState;

use crate::support::{World, message, object, store};

fn data(entries: &Value) -> Value {
    object("checkout", &[], &json!({"data": entries}))
}

/// A world whose store lets the namespace use these keys.
async fn world(keys: &[&str]) -> Result<World> {
    let world = World::start().await?;
    world.apply(&keys_granted(keys)).await?;
    Ok(world)
}

fn keys_granted(keys: &[&str]) -> Value {
    let rule = json!({"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"], "kmsDecryptKeys": keys});
    store("default", &json!({"access": [rule]}))
}

/// An entry whose value was encrypted by hand.
fn by_hand(key: &str, kms_decrypt: &Value) -> Value {
    json!({"key": key, "parameter": "/shop/sealed", "kmsDecrypt": kms_decrypt})
}

#[tokio::test]
async fn what_was_encrypted_by_hand_is_decrypted_once_more() -> Result<()> {
    let world = world(&["*"]).await?;
    let arn = world.aws.create_key("team");
    let id = arn.rsplit('/').next().context("an id")?.to_owned();
    let alias_arn = arn.replace(&format!("key/{id}"), "alias/team");
    let context = [("app", "shop"), ("Stage", "Prod")];
    world.aws.put("/shop/sealed", &world.aws.encrypt(&arn, &context, b"{\"user\": \"app\", \"raw\": \"/w8=\"}"));
    let pairs = json!({"app": "shop", "Stage": "Prod"});
    let with = |key_id: &str| json!({"keyID": key_id, "encryptionContext": pairs});
    let mut part = by_hand("RAW", &json!({"encryptionContext": pairs}));
    (part["jsonPath"], part["decode"]) = (json!("$.raw"), json!("Base64"));
    let entries = json!([
        by_hand("ANY", &json!({"encryptionContext": pairs})),
        by_hand("ARN", &with(&arn)),
        by_hand("ID", &with(&id)),
        by_hand("ALIAS", &with("alias/team")),
        by_hand("ALIAS_ARN", &with(&alias_arn)),
        part,
    ]);
    world.apply(&data(&entries)).await?;
    world.synced("checkout").await?;
    let secret = world.api::<Secret>().get("checkout").await?.data.context("data")?;
    for key in ["ANY", "ARN", "ID", "ALIAS", "ALIAS_ARN"] {
        assert_eq!(secret[key], ByteString(b"{\"user\": \"app\", \"raw\": \"/w8=\"}".to_vec()), "{key}");
    }
    assert_eq!(secret["RAW"], ByteString(vec![0xff, 0x0f]));
    assert_eq!(world.aws.decrypts(), 6, "Parameter Store once, KMS once for each way of asking");

    let records = world.operator().audit()?;
    let calls = records.iter().map(|record| &record["cloudtrail"]);
    let decrypts: Vec<_> = calls.filter(|call| call["eventName"] == "Decrypt").collect();
    assert_eq!(decrypts.len(), 5);
    assert!(decrypts.iter().all(|call| call["requestParameters"]["encryptionContext"] == pairs));
    assert!(decrypts.iter().any(|call| call["requestParameters"]["keyId"] == "alias/team"));
    assert!(decrypts.iter().all(|call| call["resources"][0]["ARN"] == arn.as_str()));
    Ok(())
}

/// Each way to be wrong has its reason, keeps the Secret, and is not tried again before something changes.
#[tokio::test]
async fn what_kms_does_not_take_is_told() -> Result<()> {
    let world = world(&["*"]).await?;
    let (key, other) = (world.aws.create_key("team"), world.aws.create_key("other"));
    let sealed = world.aws.encrypt(&key, &[("app", "shop")], &[0xff, 0x00]);
    let good = json!({"encryptionContext": {"app": "shop"}});
    world.aws.put("/shop/sealed", &sealed);
    world.apply(&data(&json!([by_hand("K", &good)]))).await?;
    world.synced("checkout").await?;
    let before = world.api::<Secret>().get("checkout").await?.data;
    assert_eq!(before.as_ref().context("data")?["K"], ByteString(vec![0xff, 0x00]), "binary");

    let context = |key_id: &str| json!({"encryptionContext": {"app": "shop"}, "keyID": key_id});
    for (what, kms_decrypt, reason, words) in [
        ("another context", json!({"encryptionContext": {"app": "x"}}), "CiphertextInvalid", "encryptionContext"),
        ("no context", json!({}), "CiphertextInvalid", "encryptionContext"),
        ("another key", context(&other), "CiphertextInvalid", "another key than kmsDecrypt.keyID"),
        ("another alias", context("alias/other"), "CiphertextInvalid", "another key than kmsDecrypt.keyID"),
        ("no such alias", context("alias/none"), "KeyUnavailable", "correct kmsDecrypt.keyID"),
    ] {
        let decrypts = world.aws.calls("Decrypt");
        world.apply(&data(&json!([by_hand("K", &kms_decrypt)]))).await?;
        let failed = world.wait_for("checkout", "False", reason).await.context(what)?;
        assert!(message(&failed).contains(words), "{what}: {}", message(&failed));
        assert_eq!(world.api::<Secret>().get("checkout").await?.data, before, "{what}");
        world.apply(&data(&json!([by_hand("K", &good)]))).await?;
        world.synced("checkout").await?;
        assert_eq!(world.aws.calls("Decrypt"), decrypts + 2, "{what}: one for each spec");
    }

    for (what, value) in [("no base64", "s3cr3t!"), ("no ciphertext", "czNjcjN0"), ("nothing left", "s")] {
        world.aws.put("/shop/sealed", value);
        let failed = world.wait_for("checkout", "False", "CiphertextInvalid").await.context(what)?;
        assert!(
            message(&failed).contains("/shop/sealed") && !message(&failed).contains("s3cr3t"),
            "{}",
            message(&failed)
        );
        world.aws.put("/shop/sealed", &sealed);
        world.synced("checkout").await.context(what)?;
    }

    world.aws.set_key_state(&key, KeyState::Disabled);
    world.aws.put("/shop/sealed", &sealed);
    let failed = world.wait_for("checkout", "False", "KeyUnavailable").await?;
    assert!(message(&failed).contains("Disabled") && message(&failed).contains(&key), "{}", message(&failed));
    world.aws.set_key_state(&key, KeyState::Enabled);
    world.synced("checkout").await?;
    world.aws.deny("kms:Decrypt", &key);
    world.aws.put("/shop/sealed", &sealed);
    let failed = world.wait_for("checkout", "False", "DecryptDenied").await?;
    assert!(message(&failed).contains(&key), "{}", message(&failed));
    Ok(())
}

/// Whoever copies ciphertext of others cannot have it decrypted.
#[tokio::test]
async fn values_are_decrypted_only_by_keys_that_the_store_grants() -> Result<()> {
    let world = World::start().await?;
    world.aws.create_key("shop");
    world.aws.create_key("other");
    for (name, key) in [("sealed", "alias/shop"), ("copied", "alias/other")] {
        world.aws.put(&format!("/shop/{name}"), &world.aws.encrypt(key, &[], b"value"));
    }
    let entry = |name: &str, by_hand: &Value| {
        data(&json!([{"key": "K", "parameter": format!("/shop/{name}"), "kmsDecrypt": by_hand}]))
    };
    let own = json!({"keyID": "alias/shop"});
    world.apply(&entry("sealed", &own)).await?;
    let denied = world.wait_for("checkout", "False", "PolicyDenied").await?;
    for part in ["alias/shop", "kmsDecryptKeys", "Namespace shop"] {
        assert!(message(&denied).contains(part), "{}", message(&denied));
    }
    world.apply(&keys_granted(&["alias/{namespace}"])).await?;
    world.wait_for_secret("checkout", &[("K", "value")]).await?;
    for (name, by_hand, reason, words) in [
        ("copied", json!({"keyID": "alias/other"}), "PolicyDenied", "alias/other"),
        ("copied", json!({}), "PolicyDenied", "set kmsDecrypt.keyID"),
        ("copied", own, "CiphertextInvalid", "another key"),
    ] {
        world.apply(&entry(name, &by_hand)).await?;
        let failed = world.wait_until("checkout", words, |object| message(object).contains(words)).await?;
        assert_eq!(failed.status.context("a status")?.conditions[0].reason, reason);
    }
    Ok(())
}

#[tokio::test]
async fn the_previous_version_is_beside_the_current_one() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/password", "one");
    let previous = |optional| {
        let entry = json!({"key": "OLD", "parameter": "/shop/password", "previous": true, "optional": optional});
        data(&json!([{"key": "NEW", "parameter": "/shop/password"}, entry]))
    };
    world.apply(&previous(false)).await?;
    let failed = world.wait_for("checkout", "False", "VersionNotFound").await?;
    assert!(message(&failed).contains("of /shop/password") && message(&failed).contains("optional"));
    world.apply(&previous(true)).await?;
    world.wait_for_secret("checkout", &[("NEW", "one")]).await?;
    for (old, new) in [("one", "two"), ("two", "three")] {
        world.aws.put("/shop/password", new);
        world.wait_for_secret("checkout", &[("NEW", new), ("OLD", old)]).await?;
    }
    let synced = world.reported("checkout").await?.status.context("a status")?;
    let versions: Vec<_> = synced.parameters.iter().map(|parameter| parameter.version).collect();
    assert_eq!(versions, [3, 2]);
    let before = world.versions().await?;
    world.stop_operator()?;
    world.aws.clear_records();
    world.start_operator().await?;
    world.aws.put("/shop/password", "four");
    world.wait_for_secret("checkout", &[("NEW", "four"), ("OLD", "three")]).await?;
    assert_eq!(world.aws.decrypts(), 2, "one read after the restart");
    assert_ne!(world.versions().await?, before);
    Ok(())
}

#[tokio::test]
async fn secrets_of_secrets_manager_are_handed_through() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.apply(&store("default", &json!({
        "access": [{"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**", "/aws/reference/secretsmanager/{namespace}/**"]}],
    })))
    .await?;
    world.start_operator().await?;
    world.aws.put_secret("shop/key=1@x", "special");
    world.aws.put_secret("shop/db", r#"{"user": "app", "password": "s3cr3t-1"}"#);
    world.aws.put("/shop/plain", "value");
    let name = "/aws/reference/secretsmanager/shop/db";
    world
        .apply(&data(&json!([
            {"key": "PASSWORD", "parameter": name, "jsonPath": "$.password"},
            {"key": "STAGED", "parameter": name, "label": "AWSCURRENT"},
            {"key": "PLAIN", "parameter": "/shop/plain"},
            {"key": "SPECIAL", "parameter": "/aws/reference/secretsmanager/shop/key=1@x"},
            {"key": "NONE", "parameter": "/aws/reference/secretsmanager/shop/none", "optional": true},
        ])))
        .await?;
    let staged = |n: u8| format!(r#"{{"user": "app", "password": "s3cr3t-{n}"}}"#);
    world
        .wait_for_secret(
            "checkout",
            &[("PASSWORD", "s3cr3t-1"), ("PLAIN", "value"), ("SPECIAL", "special"), ("STAGED", &staged(1))],
        )
        .await?;
    let synced = world.synced("checkout").await?.status.context("a status")?;
    let arns: Vec<_> = synced.parameters.iter().map(|parameter| parameter.arn.as_str()).collect();
    assert!(arns.iter().any(|arn| arn.contains(":secretsmanager:") && arn.contains(":secret:shop/db-")), "{arns:?}");

    // They cannot be looked at without being decrypted, so the interval of all else does not count for them.
    world.aws.clear_records();
    let looks = || world.aws.calls("GetParameters");
    testbed::wait::eventually("looks at the others", crate::support::PATIENCE, async || {
        Ok((looks() >= 3).then_some(()))
    })
    .await?;
    assert_eq!(world.aws.calls("GetSecretValue"), 0);

    // A forced sync has the new version at once.
    world.aws.put_secret("shop/db", &staged(2));
    let patch = json!({"metadata": {"annotations": {names::SYNC_ANNOTATION: "now"}}});
    let params = kube::api::PatchParams::default();
    let api = world.api::<secure_parameter_operator::api::SecureParameter>();
    api.patch("checkout", &params, &kube::api::Patch::Merge(patch)).await?;
    world
        .wait_for_secret(
            "checkout",
            &[("PASSWORD", "s3cr3t-2"), ("PLAIN", "value"), ("SPECIAL", "special"), ("STAGED", &staged(2))],
        )
        .await?;
    assert!(!world.operator().log()?.contains("s3cr3t"), "neither value nor SourceResult is kept or printed");
    world.aws.put("/shop/plain", "other");
    world
        .wait_for_secret(
            "checkout",
            &[("PASSWORD", "s3cr3t-2"), ("PLAIN", "other"), ("SPECIAL", "special"), ("STAGED", &staged(2))],
        )
        .await?;
    Ok(())
}
