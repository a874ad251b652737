//! Paths: every parameter below a path becomes a key of the Secret.

use anyhow::{Context, Result};
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::{fake_aws::Fault, wait::eventually};

use crate::support::{PATIENCE, World, message, object, store};

/// An object that reads a path. `path` adds fields of the path, and `keys` is the mapping of names to keys.
fn path(path: &Value, keys: &Value) -> Value {
    let mut entry = json!({"path": "/shop/app", "recursive": true, "keys": keys});
    for (field, value) in path.as_object().into_iter().flatten() {
        entry[field] = value.clone();
    }
    object("checkout", &[], &json!({"data": [], "dataFrom": [entry]}))
}

/// Waits until a path was listed so many times more.
async fn listed(world: &World, times: usize) -> Result<()> {
    let before = world.aws.calls("GetParametersByPath");
    eventually("the path to be listed again", PATIENCE, async || {
        Ok((world.aws.calls("GetParametersByPath") >= before + times).then_some(()))
    })
    .await
}

#[tokio::test]
async fn parameters_below_a_path_become_keys() -> Result<()> {
    let mut world = World::start().await?;
    for (name, value) in [("db/user", "app"), ("db/password-old", "no"), ("token", "t"), ("deep/er/x", "x")] {
        world.aws.put(&format!("/shop/app/{name}"), value);
    }
    world.aws.put("/shop/application", "not below");
    let chosen = json!({"include": ["db/*", "token", "deep/**"], "exclude": ["*/*-old"]});
    world.apply(&path(&chosen, &json!({"style": "EnvVar", "prefix": "APP_"}))).await?;
    let before = [("APP_DB_USER", "app"), ("APP_DEEP_ER_X", "x"), ("APP_TOKEN", "t")];
    world.wait_for_secret("checkout", &before).await?;
    let synced = world.synced("checkout").await?;
    assert!(message(&synced).contains("holds 3 keys from 3 parameters"), "{}", message(&synced));
    assert_eq!(world.aws.decrypts(), 3, "excluded parameters are not decrypted");

    // A new version, a new parameter, and a deleted one.
    world.aws.put("/shop/app/token", "t2");
    world.aws.put("/shop/app/db/host", "db");
    world
        .wait_for_secret(
            "checkout",
            &[("APP_DB_HOST", "db"), ("APP_DB_USER", "app"), ("APP_DEEP_ER_X", "x"), ("APP_TOKEN", "t2")],
        )
        .await?;
    world.aws.delete("/shop/app/deep/er/x");
    let after = [("APP_DB_HOST", "db"), ("APP_DB_USER", "app"), ("APP_TOKEN", "t2")];
    world.wait_for_secret("checkout", &after).await?;
    world.reported("checkout").await?;
    world.settled().await?;

    // Nothing is decrypted or written while nothing changes, also after a restart.
    let versions = world.versions().await?;
    world.stop_operator()?;
    world.aws.clear_records();
    world.start_operator().await?;
    listed(&world, 2).await?;
    assert_eq!((world.aws.decrypts(), world.aws.calls("GetParameters")), (0, 0), "only the path is listed");
    assert_eq!(world.aws.calls("DescribeParameters"), 0, "the status names the keys already");
    assert_eq!(world.versions().await?, versions);
    Ok(())
}

/// A parameter that was deleted after it was listed keeps its key until the path is listed again, whatever makes the
/// operator read.
#[tokio::test]
async fn a_key_is_removed_only_after_the_path_is_listed_again() -> Result<()> {
    let world = World::start().await?;
    for name in ["one/a", "one/b", "two/a"] {
        world.aws.put(&format!("/shop/{name}"), name);
    }
    let rare = |name: &str, labels: &Value| {
        let path = json!([{"path": format!("/shop/{name}")}]);
        let target = json!({"labels": labels});
        object(name, &[], &json!({"data": [], "dataFrom": path, "refreshInterval": "1h", "target": target}))
    };
    world.apply(&rare("one", &json!({}))).await?;
    world.apply(&rare("two", &json!({}))).await?;
    // This object checks one of the parameters by name, and all objects that read it learn the result.
    world.apply(&object("named", &[("K", "/shop/two/a")], &json!({}))).await?;
    for name in ["one", "two", "named"] {
        world.reported(name).await?;
    }
    world.aws.delete("/shop/one/b");
    world.apply(&rare("one", &json!({"team": "shop"}))).await?;
    world.wait_for_secret("one", &[("a", "one/a")]).await?;
    let listings =
        world.aws.records().iter().filter(|record| record["requestParameters"]["path"] == "/shop/one").count();
    assert!(listings >= 3, "listed {listings} times: first, again, and to confirm");
    world.aws.delete("/shop/two/a");
    world.wait_for("named", "False", "ParameterNotFound").await?;
    let empty = world.wait_for("two", "False", "PathEmpty").await?;
    assert!(message(&empty).contains("Secret two is kept"), "{}", message(&empty));
    world.wait_for_secret("two", &[("a", "two/a")]).await?;
    Ok(())
}

/// One listing without a parameter does not prove that it was deleted, even if it is the first after a start.
#[tokio::test]
async fn a_parameter_missing_once_after_a_start_keeps_its_key() -> Result<()> {
    let mut world = World::start().await?;
    for name in ["a", "b"] {
        world.aws.put(&format!("/shop/app/{name}"), name);
    }
    world.apply(&path(&json!({}), &json!({}))).await?;
    let both = [("a", "a"), ("b", "b")];
    world.wait_for_secret("checkout", &both).await?;
    let before =
        world.reported("checkout").await?.status.and_then(|status| status.written_secret()).context("a Secret")?;
    for returns in [true, false] {
        world.stop_operator()?;
        world.aws.delete("/shop/app/b");
        world.aws.clear_records();
        world.start_operator().await?;
        eventually("the path to be listed", PATIENCE, async || {
            Ok((world.aws.calls("GetParametersByPath") > 0).then_some(()))
        })
        .await?;
        if returns {
            world.aws.put("/shop/app/b", "b");
            world
                .wait_until("checkout", "the new version to be noticed", |object| {
                    let status = object.status.as_ref();
                    status.is_some_and(|status| {
                        status.parameters.len() == 2 && status.written_secret().as_ref() == Some(&before)
                    })
                })
                .await?;
            listed(&world, 2).await?;
            let secret = world.reported("checkout").await?.status.and_then(|status| status.written_secret());
            assert_eq!(secret.as_ref(), Some(&before), "it was never written without the key");
        }
    }
    world.wait_for_secret("checkout", &[("a", "a")]).await?;
    Ok(())
}

#[tokio::test]
async fn one_listing_serves_all_objects_of_a_path() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 1000}}))).await?;
    for number in 0..25 {
        world.aws.put(&format!("/shop/app/p{number:02}"), "value");
    }
    let all = async |interval: &str, world: &World| -> Result<()> {
        for name in ["checkout", "other", "third"] {
            let mut object = path(&json!({}), &json!({}));
            (object["metadata"]["name"], object["spec"]["refreshInterval"]) = (json!(name), json!(interval));
            world.apply(&object).await?;
        }
        Ok(())
    };
    all("1h", &world).await?;
    world.start_operator().await?;
    for name in ["checkout", "other", "third"] {
        world.synced(name).await?;
    }
    assert_eq!(world.aws.calls("GetParametersByPath"), 3, "25 parameters are three pages, for any number of objects");
    all("10s", &world).await?;
    for name in ["checkout", "other", "third"] {
        world.synced(name).await?;
    }
    world.settled().await?;
    world.aws.clear_records();
    listed(&world, 6).await?;
    assert_eq!(world.aws.calls("GetParameters"), 0, "listed parameters need no version check");
    Ok(())
}

#[tokio::test]
async fn an_incomplete_listing_writes_nothing() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 1000}}))).await?;
    let names: Vec<_> = (0..500).map(|number| format!("p{number:03}")).collect();
    for name in &names {
        world.aws.put(&format!("/shop/app/{name}"), name);
    }
    let resets = |world: &World| world.aws.fault_from("GetParametersByPath", 30, Fault::Reset, usize::MAX);
    resets(&world);
    world.apply(&path(&json!({}), &json!({}))).await?;
    world.start_operator().await?;
    let failed = world.wait_for("checkout", "False", "EndpointUnreachable").await?;
    assert!(failed.status.as_ref().is_some_and(|status| status.secret.is_none()));
    assert_eq!(world.secret("checkout").await?, None);
    assert_eq!(world.aws.decrypts(), 0);

    world.aws.clear_faults();
    let all: Vec<_> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    world.wait_for_secret("checkout", &all).await.context("500 parameters, complete")?;
    let synced = world.synced("checkout").await?.status.context("a status")?;
    assert_eq!((synced.parameter_count, synced.parameters.len()), (Some(500), 50));

    // An outage in the middle keeps the Secret, and says so.
    let before = world.api::<k8s_openapi::api::core::v1::Secret>().get("checkout").await?;
    resets(&world);
    let tolerated = world.wait_for("checkout", "True", "EndpointUnreachable").await?;
    assert!(message(&tolerated).contains("kept as it was"), "{}", message(&tolerated));
    assert_eq!(world.api::<k8s_openapi::api::core::v1::Secret>().get("checkout").await?, before);
    Ok(())
}

#[tokio::test]
async fn errors_of_a_path_keep_the_secret() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/app/a-b", "1");
    world.aws.put("/shop/app/c", "2");
    world.apply(&path(&json!({}), &json!({"style": "EnvVar"}))).await?;
    let good = [("A_B", "1"), ("C", "2")];
    world.wait_for_secret("checkout", &good).await?;

    world.aws.put("/shop/app/a.b", "3");
    let collides = world.wait_for("checkout", "False", "KeyCollision").await?;
    for part in ["Key A_B", "/shop/app/a-b", "/shop/app/a.b", "Secret checkout is kept"] {
        assert!(message(&collides).contains(part), "{}", message(&collides));
    }
    let decrypts = world.aws.decrypts();
    listed(&world, 2).await?;
    assert_eq!(world.aws.decrypts(), decrypts, "nothing is decrypted while keys collide");
    world.aws.delete("/shop/app/a.b");
    world.synced("checkout").await?;

    let rule = world.aws.deny("ssm:GetParametersByPath", "*");
    let denied = world.wait_for("checkout", "False", "AccessDenied").await?;
    for part in ["ssm:GetParametersByPath", "parameter/shop/app", "IAM policy"] {
        assert!(message(&denied).contains(part), "{}", message(&denied));
    }
    world.aws.undeny(rule);
    world.synced("checkout").await?;

    for name in ["a-b", "c"] {
        world.aws.delete(&format!("/shop/app/{name}"));
    }
    let empty = world.wait_for("checkout", "False", "PathEmpty").await?;
    assert!(message(&empty).contains("below /shop/app"), "{}", message(&empty));
    world.wait_for_secret("checkout", &good).await?;
    world.aws.put("/shop/app/new", "4");
    world.wait_for_secret("checkout", &[("NEW", "4")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_path_is_listed_only_where_everything_below_it_is_granted() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/other/app/secret-name", "s3cr3t");
    let is_denied = async |prefix: &str, recursive: bool| -> Result<SecureParameter> {
        world.apply(&path(&json!({"path": prefix, "recursive": recursive}), &json!({}))).await?;
        let denied = world.wait_for("checkout", "False", "PolicyDenied").await?;
        assert!(!message(&denied).contains("secret-name"), "{}", message(&denied));
        Ok(denied)
    };
    let denied = is_denied("/other/app", true).await?;
    for part in ["all of /other/app/**", "Namespace shop", "spec.access"] {
        assert!(message(&denied).contains(part), "{}", message(&denied));
    }
    is_denied("/other", false).await?;
    assert_eq!(world.aws.calls("GetParametersByPath"), 0, "not even the names are listed");
    Ok(())
}

#[tokio::test]
async fn a_label_selects_versions_and_parameters() -> Result<()> {
    let world = World::start().await?;
    for (name, value) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        world.aws.put(&format!("/shop/app/{name}"), value);
    }
    world.aws.label("/shop/app/a", 1, "prod");
    world.apply(&path(&json!({"label": "prod", "recursive": false}), &json!({}))).await?;
    world.wait_for_secret("checkout", &[("a", "a1")]).await?;
    world.aws.label("/shop/app/a", 2, "prod");
    world.aws.label("/shop/app/b", 1, "prod");
    world.wait_for_secret("checkout", &[("a", "a2"), ("b", "b1")]).await?;
    Ok(())
}
