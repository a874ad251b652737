//! Values that were encrypted with KMS before they were stored.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::{Value, json};
use testbed::fake_aws::KeyState;

use crate::support::{Group, World, calls, message, object, store};

fn data(entries: &Value) -> Value {
    object("checkout", &[], &json!({"data": entries}))
}

/// A store that lets all namespaces decrypt with these keys.
fn granting(name: &str, keys: &[&str]) -> Value {
    let rule = json!({"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"], "kmsDecryptKeys": keys});
    store(name, &json!({"access": [rule]}))
}

/// An entry whose value was encrypted before it was stored.
fn sealed_entry(key: &str, kms_decrypt: &Value) -> Value {
    json!({"key": key, "parameter": "/shop/sealed", "kmsDecrypt": kms_decrypt})
}

#[tokio::test]
async fn ciphertext_is_decrypted_whatever_the_form_of_the_key_id() -> Result<()> {
    let world = World::start().await?;
    world.apply(&granting("default", &["*"])).await?;
    let arn = world.aws.create_key("team");
    let id = arn.rsplit('/').next().context("an id")?.to_owned();
    let alias_arn = arn.replace(&format!("key/{id}"), "alias/team");
    let context = [("app", "shop"), ("Stage", "Prod")];
    world.aws.put("/shop/sealed", &world.aws.encrypt(&arn, &context, b"{\"user\": \"app\", \"raw\": \"/w8=\"}"));
    let pairs = json!({"app": "shop", "Stage": "Prod"});
    let with = |key_id: &str| json!({"keyID": key_id, "encryptionContext": pairs});
    let mut part = sealed_entry("RAW", &json!({"encryptionContext": pairs}));
    (part["jsonPath"], part["decode"]) = (json!("$.raw"), json!("Base64"));
    let entries = json!([
        sealed_entry("ANY", &json!({"encryptionContext": pairs})),
        sealed_entry("ARN", &with(&arn)),
        sealed_entry("ID", &with(&id)),
        sealed_entry("ALIAS", &with("alias/team")),
        sealed_entry("ALIAS_ARN", &with(&alias_arn)),
        part,
    ]);
    world.apply(&data(&entries)).await?;
    world.synced("checkout").await?;
    let secret = world.api::<Secret>().get("checkout").await?.data.context("data")?;
    for key in ["ANY", "ARN", "ID", "ALIAS", "ALIAS_ARN"] {
        assert_eq!(secret[key], ByteString(b"{\"user\": \"app\", \"raw\": \"/w8=\"}".to_vec()), "{key}");
    }
    assert_eq!(secret["RAW"], ByteString(vec![0xff, 0x0f]));
    assert_eq!(world.aws.decrypts(), 6, "one by Parameter Store, and one by KMS for each key id");

    let records = world.operator().audit()?;
    let calls = records.iter().map(|record| &record["cloudtrail"]);
    let decrypts: Vec<_> = calls.filter(|call| call["eventName"] == "Decrypt").collect();
    assert_eq!(decrypts.len(), 5);
    assert!(decrypts.iter().all(|call| call["requestParameters"]["encryptionContext"] == pairs));
    assert!(decrypts.iter().any(|call| call["requestParameters"]["keyId"] == "alias/team"));
    assert!(decrypts.iter().all(|call| call["resources"][0]["ARN"] == arn.as_str()));
    Ok(())
}

/// A world whose parameter `/{namespace}/sealed` holds ciphertext of a key of its own, with an object in sync.
struct Sealed {
    world: World,
    key: String,
    ciphertext: String,
}

/// A spec that decrypts the ciphertext.
fn right() -> Value {
    json!({"encryptionContext": {"app": "shop"}})
}

impl Sealed {
    /// Starts with this namespace, which also names the store, the key's alias and the object.
    async fn start(name: &str) -> Result<Self> {
        let world = World::shared(Group::Secrets, name).await?;
        world.apply(&granting(name, &["*"])).await?;
        let key = world.aws.create_key(name);
        let ciphertext = world.aws.encrypt(&key, &[("app", "shop")], &[0xff, 0x00]);
        world.aws.put(&world.path("sealed"), &ciphertext);
        let sealed = Self { world, key, ciphertext };
        sealed.apply(&right()).await?;
        sealed.world.synced(name).await?;
        let data = sealed.data().await?.context("data")?;
        assert_eq!(data["K"], ByteString(vec![0xff, 0x00]), "values may be binary");
        Ok(sealed)
    }

    fn name(&self) -> &str {
        &self.world.namespace
    }

    async fn apply(&self, kms_decrypt: &Value) -> Result<()> {
        let entry = json!({"key": "K", "parameter": self.world.path("sealed"), "kmsDecrypt": kms_decrypt});
        let spec = json!({"data": [entry], "storeRef": {"name": self.name()}});
        self.world.apply(&self.world.object(self.name(), &[], &spec)).await
    }

    async fn data(&self) -> Result<Option<BTreeMap<String, ByteString>>> {
        Ok(self.world.api::<Secret>().get(self.name()).await?.data)
    }

    /// Waits until the object fails for `reason` with a message that contains all `parts`, and checks that the Secret
    /// is unchanged.
    async fn fails(&self, reason: &str, parts: &[&str]) -> Result<()> {
        let failed = self.world.wait_for(self.name(), "False", reason).await?;
        for part in parts {
            ensure!(message(&failed).contains(part), "{part:?} is not in: {}", message(&failed));
        }
        let data = self.data().await?.context("data")?;
        ensure!(data["K"] == ByteString(vec![0xff, 0x00]), "the Secret has changed");
        Ok(())
    }

    /// Number of calls of `kms:Decrypt` for the object.
    fn decrypts(&self) -> Result<usize> {
        let calls = calls(&self.world, self.name())?;
        Ok(calls.iter().filter(|call| call["cloudtrail"]["eventName"] == "Decrypt").count())
    }
}

/// A spec that does not fit the ciphertext costs one call, and is not tried again before something changes.
#[tokio::test]
async fn a_wrong_context_or_key_id_keeps_the_secret() -> Result<()> {
    let sealed = Sealed::start("wrong-key-id").await?;
    let other = sealed.world.aws.create_key("wrong-key-id-other");
    let key_id = |key_id: &str| json!({"encryptionContext": {"app": "shop"}, "keyID": key_id});
    for (what, kms_decrypt, reason, words) in [
        ("another context", json!({"encryptionContext": {"app": "x"}}), "CiphertextInvalid", "encryptionContext"),
        ("no context", json!({}), "CiphertextInvalid", "encryptionContext"),
        ("another key", key_id(&other), "CiphertextInvalid", "another key than kmsDecrypt.keyID"),
        ("another alias", key_id("alias/wrong-key-id-other"), "CiphertextInvalid", "another key than kmsDecrypt.keyID"),
        ("an unknown alias", key_id("alias/none"), "KeyUnavailable", "correct kmsDecrypt.keyID"),
    ] {
        let decrypts = sealed.decrypts()?;
        sealed.apply(&kms_decrypt).await?;
        sealed.fails(reason, &[words]).await.context(what)?;
        sealed.apply(&right()).await?;
        sealed.world.synced(sealed.name()).await?;
        assert_eq!(sealed.decrypts()?, decrypts + 2, "{what}: one call for each spec");
    }
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_no_ciphertext_keeps_the_secret() -> Result<()> {
    let sealed = Sealed::start("no-ciphertext").await?;
    let path = sealed.world.path("sealed");
    for (what, value) in [("not Base64", "s3cr3t!"), ("not ciphertext", "czNjcjN0"), ("too short", "s")] {
        sealed.world.aws.put(&path, value);
        sealed.fails("CiphertextInvalid", &[&path]).await.context(what)?;
        let object = sealed.world.api().get(sealed.name()).await?;
        assert!(!message(&object).contains("s3cr3t"), "{}", message(&object));
        sealed.world.aws.put(&path, &sealed.ciphertext);
        sealed.world.synced(sealed.name()).await.context(what)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_disabled_or_denied_key_is_named() -> Result<()> {
    let sealed = Sealed::start("sealed-key").await?;
    let (aws, path) = (&sealed.world.aws, sealed.world.path("sealed"));
    aws.set_key_state(&sealed.key, KeyState::Disabled);
    aws.put(&path, &sealed.ciphertext);
    sealed.fails("KeyUnavailable", &["Disabled", &sealed.key]).await?;
    aws.set_key_state(&sealed.key, KeyState::Enabled);
    sealed.world.synced(sealed.name()).await?;
    aws.deny("kms:Decrypt", &sealed.key);
    aws.put(&path, &sealed.ciphertext);
    sealed.fails("DecryptDenied", &[&sealed.key]).await
}

/// A tenant who copies the ciphertext of another cannot have it decrypted.
#[tokio::test]
async fn ciphertext_is_decrypted_only_with_granted_keys() -> Result<()> {
    let world = World::start().await?;
    world.aws.create_key("shop");
    world.aws.create_key("other");
    for (name, key) in [("sealed", "alias/shop"), ("copied", "alias/other")] {
        world.aws.put(&format!("/shop/{name}"), &world.aws.encrypt(key, &[], b"value"));
    }
    let entry = |name: &str, kms_decrypt: &Value| {
        data(&json!([{"key": "K", "parameter": format!("/shop/{name}"), "kmsDecrypt": kms_decrypt}]))
    };
    let own = json!({"keyID": "alias/shop"});
    world.apply(&entry("sealed", &own)).await?;
    let denied = world.wait_for("checkout", "False", "PolicyDenied").await?;
    for part in ["alias/shop", "kmsDecryptKeys", "Namespace shop"] {
        assert!(message(&denied).contains(part), "{}", message(&denied));
    }
    world.apply(&granting("default", &["alias/{namespace}"])).await?;
    world.wait_for_secret("checkout", &[("K", "value")]).await?;
    for (name, kms_decrypt, reason, words) in [
        ("copied", json!({"keyID": "alias/other"}), "PolicyDenied", "alias/other"),
        ("copied", json!({}), "PolicyDenied", "set kmsDecrypt.keyID"),
        ("copied", own, "CiphertextInvalid", "another key"),
    ] {
        world.apply(&entry(name, &kms_decrypt)).await?;
        let failed = world.wait_until("checkout", words, |object| message(object).contains(words)).await?;
        assert_eq!(failed.status.context("a status")?.conditions[0].reason, reason);
    }
    Ok(())
}
