//! Keys from parts of values, from encoded values, and from values with several fields.

use anyhow::{Context, Result};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{Group, PATIENCE, World, message, object};

fn data(entries: &Value) -> Value {
    object("checkout", &[], &json!({"data": entries}))
}

#[tokio::test]
async fn a_json_path_selects_a_part_of_a_value() -> Result<()> {
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
async fn fields_become_keys_and_follow_the_value() -> Result<()> {
    let world = World::shared(Group::Secrets, "fields").await?;
    world.aws.put("/fields/config", r#"{"db-user": "app", "limits": {"cpu": 2}}"#);
    world.aws.put("/fields/env", "# local\nexport TOKEN='t$1'\n");
    let from = json!([
        {"parameter": "/fields/config", "format": "JSON", "keys": {"style": "EnvVar", "prefix": "APP_"}},
        {"parameter": "/fields/env", "format": "Dotenv"},
    ]);
    world.apply(&world.object("checkout", &[], &json!({"data": [], "dataFrom": from}))).await?;
    let expected = [("APP_DB_USER", "app"), ("APP_LIMITS", r#"{"cpu": 2}"#), ("TOKEN", "t$1")];
    world.wait_for_secret("checkout", &expected).await?;
    let synced = world.synced("checkout").await?;
    assert!(message(&synced).contains("holds 3 keys from 2 parameters"), "{}", message(&synced));
    // A field that is removed from the value removes its key.
    world.aws.put("/fields/config", r#"{"db-user": "new"}"#);
    world.wait_for_secret("checkout", &[("APP_DB_USER", "new"), ("TOKEN", "t$1")]).await?;
    Ok(())
}

/// Keys that were removed while the operator was stopped come back, whatever their source.
#[tokio::test]
async fn keys_removed_while_the_operator_was_stopped_are_restored() -> Result<()> {
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

/// An object whose fields of one parameter may collide with the key of another.
fn fields_of_config(keys: &Value) -> Value {
    let entry = json!({"parameter": "/shop/config", "format": "JSON", "keys": keys});
    object("checkout", &[("user", "/shop/user")], &json!({"dataFrom": [entry]}))
}

/// A value that does not fit the spec keeps the last Secret, and is not read again before something changes.
#[tokio::test]
async fn unusable_values_keep_the_secret() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/config", r#"{"user": "app"}"#);
    world.aws.put("/shop/user", "other");
    world.apply(&fields_of_config(&json!({"prefix": "c."}))).await?;
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
    Ok(())
}

/// The message names both parameters, and they are not read again while nothing changes.
#[tokio::test]
async fn colliding_keys_name_both_parameters() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/config", r#"{"user": "app"}"#);
    world.aws.put("/shop/user", "other");
    world.apply(&fields_of_config(&json!({}))).await?;
    let collides = world.wait_for("checkout", "False", "KeyCollision").await?;
    for part in ["Key user", "/shop/user", "/shop/config"] {
        assert!(message(&collides).contains(part), "{}", message(&collides));
    }
    let decrypts = world.aws.decrypts();
    let checks = world.aws.calls("GetParameters");
    eventually("version checks of two more intervals", PATIENCE, async || {
        Ok((world.aws.calls("GetParameters") >= checks + 2).then_some(()))
    })
    .await?;
    assert_eq!(world.aws.decrypts(), decrypts, "nothing changed, so nothing is read");
    world.apply(&fields_of_config(&json!({"style": "EnvVar"}))).await?;
    world.wait_for_secret("checkout", &[("USER", "app"), ("user", "other")]).await?;
    Ok(())
}

/// Base64 as the command line prints it, numbers of any length, and files that exporters and shells write.
#[tokio::test]
async fn what_other_tools_write_is_read_to_the_letter() -> Result<()> {
    let world = World::shared(Group::Secrets, "to-the-letter").await?;
    let path = |name: &str| world.path(name);
    world.aws.put(&path("lf"), "aGVs\nbG8g\nd29ybGQ=\n");
    world.aws.put(&path("crlf"), "aGVs\r\nbG8g\r\nd29ybGQ=\r\n");
    world.aws.put(
        &path("numbers"),
        r#"{"big":123456789012345678901234567890,"dec":1.10,"exp":1e3,"max":18446744073709551615}"#,
    );
    world
        .aws
        .put(&path("dotenv"), "KEY=\"p\\!ss\\$w\\`rd \\\"q\\\" back\\\\slash\"\nPEM=\"a\\nb\\n\"\nQUOTE='it'\\''s'\n");
    let entries = json!([
        {"key": "lf", "parameter": path("lf"), "decode": "Base64"},
        {"key": "crlf", "parameter": path("crlf"), "decode": "Base64"},
        {"key": "big", "parameter": path("numbers"), "jsonPath": "$.big"},
        {"key": "LF", "parameter": path("lf")},
        {"key": "CRLF", "parameter": path("crlf")},
        {"key": "ALL", "parameter": path("numbers")},
    ]);
    let templates = json!({
        "t.lf": "{{ LF | b64decode }}",
        "t.crlf": "{{ CRLF | b64decode }}",
        "t.big": "{{ (ALL | fromjson).big }}",
        "t.dec": "{{ (ALL | fromjson).dec }}",
        "t.all": "{{ ALL | fromjson | tojson }}",
    });
    let from = json!([
        {"parameter": path("numbers"), "format": "JSON", "include": ["exp", "max"]},
        {"parameter": path("dotenv"), "format": "Dotenv"},
    ]);
    let target = json!({"template": {"data": templates}});
    world.apply(&world.object("checkout", &[], &json!({"data": entries, "dataFrom": from, "target": target}))).await?;
    world.synced("checkout").await?;
    let data = world.secret("checkout").await?.context("no Secret")?;
    let all = r#"{"big":123456789012345678901234567890,"dec":1.10,"exp":1e3,"max":18446744073709551615}"#;
    for (key, expected) in [
        ("lf", "hello world"),
        ("crlf", "hello world"),
        ("t.lf", "hello world"),
        ("t.crlf", "hello world"),
        ("big", "123456789012345678901234567890"),
        ("t.big", "123456789012345678901234567890"),
        ("t.dec", "1.10"),
        ("t.all", all),
        ("exp", "1e3"),
        ("max", "18446744073709551615"),
        ("KEY", "p!ss$w`rd \"q\" back\\slash"),
        ("PEM", "a\nb\n"),
        ("QUOTE", "it's"),
    ] {
        assert_eq!(data.get(key).map(String::as_str), Some(expected), "{key}");
    }
    Ok(())
}

#[tokio::test]
async fn a_path_that_needs_quotes_is_shown_with_them() -> Result<()> {
    let world = World::shared(Group::Secrets, "quotes").await?;
    world.aws.put(&world.path("fields"), r#"{"hyphen-key": 123, "2a": 4}"#);
    for (path, spelling) in [("$.hyphen-key", "$['hyphen-key']"), ("$.2a", "$['2a']")] {
        let entry = |path: &str| json!([{"key": "A", "parameter": world.path("fields"), "jsonPath": path}]);
        world.apply(&world.object("checkout", &[], &json!({"data": entry(path)}))).await?;
        let words = format!("{path} needs quotes around a name: write {spelling}");
        let says = |object: &SecureParameter| message(object).contains(&words);
        world.wait_until("checkout", &words, says).await?;
        world.wait_for("checkout", "False", "InvalidSpec").await?;
        world.apply(&world.object("checkout", &[], &json!({"data": entry(spelling)}))).await?;
        world.synced("checkout").await?;
    }
    Ok(())
}
