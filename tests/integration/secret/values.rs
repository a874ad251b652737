//! Parts of values, encoded values and values with several fields become keys of the Secret.

use anyhow::{Context, Result};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::{Value, json};

use crate::support::{World, message, object};

fn data(entries: &Value) -> Value {
    object("checkout", &[], &json!({"data": entries}))
}

#[tokio::test]
async fn a_part_of_a_value_becomes_a_key() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/db", r#"{"user": "app", "port": 5432, "ca": "/w7/"}"#);
    let entry = |key: &str, path: &str| json!({"key": key, "parameter": "/shop/db", "jsonPath": path});
    let mut ca = entry("CA", "$.ca");
    ca["decode"] = json!("Base64");
    world.apply(&data(&json!([entry("USER", "$.user"), entry("PORT", "$['port']"), ca]))).await?;
    world.synced("checkout").await?;
    let secret = world.api::<Secret>().get("checkout").await?.data.context("data")?;
    let bytes = |key: &str| secret.get(key).map(|ByteString(bytes)| bytes.as_slice());
    assert_eq!((bytes("USER"), bytes("PORT")), (Some(&b"app"[..]), Some(&b"5432"[..])));
    assert_eq!(bytes("CA"), Some(&[0xff, 0x0e, 0xff][..]), "binary");
    assert_eq!(world.aws.decrypts(), 1, "several keys of one parameter read it once");
    Ok(())
}

#[tokio::test]
async fn fields_become_keys_and_follow() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/config", r#"{"db-user": "app", "limits": {"cpu": 2}}"#);
    world.aws.put("/shop/env", "# local\nexport TOKEN='t$1'\n");
    let from = json!([
        {"parameter": "/shop/config", "format": "JSON", "keys": {"style": "EnvVar", "prefix": "APP_"}},
        {"parameter": "/shop/env", "format": "Dotenv"},
    ]);
    world.apply(&object("checkout", &[], &json!({"data": [], "dataFrom": from}))).await?;
    let expected = [("APP_DB_USER", "app"), ("APP_LIMITS", r#"{"cpu": 2}"#), ("TOKEN", "t$1")];
    world.wait_for_secret("checkout", &expected).await?;
    let synced = world.synced("checkout").await?;
    assert!(message(&synced).contains("holds 3 keys from 2 parameters"), "{}", message(&synced));
    // A field that goes takes its key along.
    world.aws.put("/shop/config", r#"{"db-user": "new"}"#);
    world.wait_for_secret("checkout", &[("APP_DB_USER", "new"), ("TOKEN", "t$1")]).await?;
    Ok(())
}

#[tokio::test]
async fn keys_are_composed_by_templates() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/password", "p@ss/1");
    world.aws.put("/shop/host", "db");
    let spec = |template: &Value| {
        let data = [("PASSWORD", "/shop/password"), ("db.host", "/shop/host")];
        object("checkout", &data, &json!({"target": {"template": template}}))
    };
    let url = "postgres://app:{{ PASSWORD | urlencode }}@{{ data['db.host'] }}/shop";
    world.apply(&spec(&json!({"data": {"URL": url}}))).await?;
    let keys = [("PASSWORD", "p@ss/1"), ("db.host", "db"), ("URL", "postgres://app:p%40ss%2F1@db/shop")];
    world.wait_for_secret("checkout", &keys).await?;
    assert!(message(&world.synced("checkout").await?).contains("holds 3 keys from 2 parameters"));

    world.apply(&spec(&json!({"data": {"URL": url}, "mergePolicy": "Replace"}))).await?;
    world.wait_for_secret("checkout", &[("URL", "postgres://app:p%40ss%2F1@db/shop")]).await?;
    let synced = world.synced("checkout").await?;
    assert!(message(&synced).contains("holds 1 key from 2 parameters"), "{}", message(&synced));
    // What is not written is not missed after a restart.
    world.settled().await?;
    let before = world.versions().await?;
    world.stop_operator()?;
    world.aws.clear_records();
    world.start_operator().await?;
    testbed::wait::eventually("a look at the versions", crate::support::PATIENCE, async || {
        Ok((world.aws.calls("GetParameters") > 0).then_some(()))
    })
    .await?;
    assert_eq!((world.aws.decrypts(), world.versions().await?), (0, before));

    for (what, template, words) in [
        ("a mistake", "{{ PASSWORD ", "syntax error"),
        ("a filter that is none", "{{ PASSWORD | sha256 }}", "sha256"),
        ("a name that is none", "\n{{ NONE }}", "line 2, uses NONE"),
        ("a value that does not fit", "{{ PASSWORD | fromjson }}", "not JSON"),
    ] {
        world.apply(&spec(&json!({"data": {"URL": template}}))).await?;
        world.wait_for("checkout", "False", "TemplateError").await.context(what)?;
        let failed = world.wait_until("checkout", what, |object| message(object).contains(words)).await?;
        assert!(!message(&failed).contains("p@ss"), "{}", message(&failed));
        world.wait_for_secret("checkout", &[("URL", "postgres://app:p%40ss%2F1@db/shop")]).await?;
    }
    Ok(())
}

/// What was removed while nobody looked comes back, whatever gave the key.
#[tokio::test]
async fn keys_that_were_removed_meanwhile_come_back() -> Result<()> {
    let mut world = World::start().await?;
    world.aws.put("/shop/config", r#"{"user": "app", "id": 12345678901234567890123}"#);
    world.aws.put("/shop/extra", "more");
    let from = json!([{"parameter": "/shop/config", "format": "JSON"}]);
    let data = json!([{"key": "EXTRA", "parameter": "/shop/extra", "optional": true}]);
    world.apply(&object("checkout", &[], &json!({"data": data, "dataFrom": from}))).await?;
    let whole = [("EXTRA", "more"), ("id", "12345678901234567890123"), ("user", "app")];
    world.wait_for_secret("checkout", &whole).await?;
    world.synced("checkout").await?;
    for key in ["EXTRA", "user"] {
        world.stop_operator()?;
        let patch = format!(r#"[{{"op": "remove", "path": "/data/{key}"}}]"#);
        world
            .plane
            .kubectl(["patch", "--namespace", "shop", "secret", "checkout", "--type=json", "-p", &patch])
            .await?;
        world.start_operator().await?;
        world.wait_for_secret("checkout", &whole).await.context(key)?;
    }
    Ok(())
}

/// A value that is not what the spec says keeps the last Secret, and is not read again before something changes.
#[tokio::test]
async fn values_that_are_no_use_keep_the_secret() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/config", r#"{"user": "app"}"#);
    let from = |keys: &Value| {
        let entry = json!({"parameter": "/shop/config", "format": "JSON", "keys": keys});
        object("checkout", &[("user", "/shop/user")], &json!({"dataFrom": [entry]}))
    };
    world.aws.put("/shop/user", "other");
    world.apply(&from(&json!({"prefix": "c."}))).await?;
    world.wait_for_secret("checkout", &[("c.user", "app"), ("user", "other")]).await?;
    world.synced("checkout").await?;
    for (what, value, reason, words) in [
        ("no JSON", "s3cr3t", "ValueError", "/shop/config is not JSON"),
        ("no object", r#"["s3cr3t"]"#, "ValueError", "not an object"),
        ("a field twice", r#"{"s3cr3t": 1, "s3cr3t": 2}"#, "ValueError", "twice (field 2)"),
        ("a field that is no key", r#"{"s3cr3t b": 1}"#, "ValueError", "field 1 in parameter"),
    ] {
        world.aws.put("/shop/config", value);
        let failed = world.wait_for("checkout", "False", reason).await.context(what)?;
        let failed = world
            .wait_until("checkout", what, |object| message(object).contains(words))
            .await
            .with_context(|| message(&failed).to_owned())?;
        assert!(!message(&failed).contains("s3cr3t"), "{}", message(&failed));
        world.wait_for_secret("checkout", &[("c.user", "app"), ("user", "other")]).await?;
    }
    // Colliding keys name both parameters; several intervals later they were read but once.
    world.aws.put("/shop/config", r#"{"user": "app"}"#);
    world.synced("checkout").await?;
    world.apply(&from(&json!({}))).await?;
    let collides = world.wait_for("checkout", "False", "KeyCollision").await?;
    for part in ["Key user", "/shop/user", "/shop/config"] {
        assert!(message(&collides).contains(part), "{}", message(&collides));
    }
    let decrypts = world.aws.decrypts();
    let looks = world.aws.calls("GetParameters");
    testbed::wait::eventually("looks at two more intervals", crate::support::PATIENCE, async || {
        Ok((world.aws.calls("GetParameters") >= looks + 2).then_some(()))
    })
    .await?;
    assert_eq!(world.aws.decrypts(), decrypts, "nothing changed, so nothing is read");
    world.apply(&from(&json!({"style": "EnvVar"}))).await?;
    world.wait_for_secret("checkout", &[("USER", "app"), ("user", "other")]).await?;
    Ok(())
}
