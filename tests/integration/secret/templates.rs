//! Keys that are composed by templates.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::support::{Group, PATIENCE, World, message};

/// The template of key `URL`.
const URL: &str = "postgres://app:{{ PASSWORD | urlencode }}@{{ data['db.host'] }}/shop";
/// The rendered value of [`URL`].
const COMPOSED: (&str, &str) = ("URL", "postgres://app:p%40ss%2F1@db/shop");

fn put_values(world: &World) {
    world.aws.put(&world.path("password"), "p@ss/1");
    world.aws.put(&world.path("host"), "db");
}

fn templated(world: &World, template: &Value) -> Value {
    let (password, host) = (world.path("password"), world.path("host"));
    let data = [("PASSWORD", password.as_str()), ("db.host", host.as_str())];
    world.object("checkout", &data, &json!({"target": {"template": template}}))
}

#[tokio::test]
async fn templates_add_keys_or_replace_them_all() -> Result<()> {
    let world = World::shared(Group::Secrets, "templates").await?;
    put_values(&world);
    world.apply(&templated(&world, &json!({"data": {"URL": URL}}))).await?;
    world.wait_for_secret("checkout", &[("PASSWORD", "p@ss/1"), ("db.host", "db"), COMPOSED]).await?;
    assert!(message(&world.synced("checkout").await?).contains("holds 3 keys from 2 parameters"));

    world.apply(&templated(&world, &json!({"data": {"URL": URL}, "mergePolicy": "Replace"}))).await?;
    world.wait_for_secret("checkout", &[COMPOSED]).await?;
    let synced = world.synced("checkout").await?;
    assert!(message(&synced).contains("holds 1 key from 2 parameters"), "{}", message(&synced));
    Ok(())
}

/// Keys that only templates use are not in the Secret, and a restart does not take that for drift.
#[tokio::test]
async fn a_restart_decrypts_nothing_for_templated_keys() -> Result<()> {
    let mut world = World::start().await?;
    put_values(&world);
    world.apply(&templated(&world, &json!({"data": {"URL": URL}, "mergePolicy": "Replace"}))).await?;
    world.wait_for_secret("checkout", &[COMPOSED]).await?;
    world.reported("checkout").await?;
    world.settled().await?;
    let before = world.versions().await?;
    world.stop_operator()?;
    world.aws.clear_records();
    world.start_operator().await?;
    eventually("a version check", PATIENCE, async || Ok((world.aws.calls("GetParameters") > 0).then_some(()))).await?;
    assert_eq!((world.aws.decrypts(), world.versions().await?), (0, before));
    Ok(())
}

#[tokio::test]
async fn template_errors_keep_the_secret_and_name_the_place() -> Result<()> {
    let world = World::shared(Group::Secrets, "template-errors").await?;
    put_values(&world);
    world.apply(&templated(&world, &json!({"data": {"URL": URL}, "mergePolicy": "Replace"}))).await?;
    world.wait_for_secret("checkout", &[COMPOSED]).await?;
    for (what, template, words) in [
        ("a syntax error", "{{ PASSWORD ", "syntax error"),
        ("an unknown filter", "{{ PASSWORD | sha256 }}", "sha256"),
        ("an unknown name", "\n{{ NONE }}", "line 2, uses NONE"),
        ("a value that does not fit", "{{ PASSWORD | fromjson }}", "not JSON"),
    ] {
        world.apply(&templated(&world, &json!({"data": {"URL": template}}))).await?;
        world.wait_for("checkout", "False", "TemplateError").await.context(what)?;
        let failed = world.wait_until("checkout", what, |object| message(object).contains(words)).await?;
        assert!(!message(&failed).contains("p@ss"), "{}", message(&failed));
        world.wait_for_secret("checkout", &[COMPOSED]).await?;
    }
    Ok(())
}
