//! HTTP pages: health, readiness, metrics.

use anyhow::Result;
use serde_json::json;
use testbed::{fake_aws::KeyState, fake_aws::PutOptions, wait::eventually};

use crate::support::{PATIENCE, Page, World, object};

#[tokio::test]
async fn health_readiness_and_metrics_are_served() -> Result<()> {
    let world = World::start().await?;
    let key = world.aws.create_key("broken");
    let keyed = PutOptions { key: Some("alias/broken".to_owned()), ..PutOptions::default() };
    world.aws.put("/shop/db", "value");
    world.aws.put_with("/shop/broken", "value", keyed);
    world.aws.set_key_state(&key, KeyState::Disabled);
    for (name, parameter) in [("checkout", "/shop/db"), ("basket", "/shop/broken"), ("refund", "/shop/none")] {
        world.apply(&object(name, &[("VALUE", parameter)], &json!({}))).await?;
    }
    world.synced("checkout").await?;
    world.wait_for("basket", "False", "KeyUnavailable").await?;
    world.wait_for("refund", "False", "ParameterNotFound").await?;

    let operator = world.operator();
    assert_eq!(operator.get("/healthz").await?, (200, "ok\n".to_owned()));
    assert_eq!(operator.get("/readyz").await?, (200, "ok\n".to_owned()));
    assert_eq!(operator.get("/secrets").await?.0, 404);
    // A reconcile is counted when it ends, shortly after it wrote the status.
    eventually("all objects to be counted", PATIENCE, async || {
        let page = Page::parse(&operator.get("/metrics").await?.1)?;
        let reconciles = ["Synced", "KeyUnavailable", "ParameterNotFound"].map(|reason| {
            page.value("secureparameter_reconciles_total", &[("kind", "SecureParameter"), ("reason", reason)])
        });
        let objects: f64 = page.named("secureparameter_objects").map(|sample| sample.value).sum();
        Ok((reconciles.iter().all(Option::is_some) && (objects - 3.0).abs() < f64::EPSILON).then_some(()))
    })
    .await?;
    let (status, head, text) = operator.fetch("/metrics").await?;
    assert_eq!(status, 200);
    let content_type = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.to_lowercase().contains(content_type), "{head}");
    check_figures(&Page::parse(&text)?);
    // Stores are named, and neither objects nor parameters.
    for name in ["checkout", "basket", "refund", "shop", "/db", "arn:"] {
        assert!(!text.contains(name), "the metrics name {name}");
    }
    check_recovery(&world).await
}

fn check_figures(page: &Page) {
    let at_least = |name: &str, labels: &[(&str, &str)], least: f64| {
        let value = page.value(name, labels);
        assert!(value.is_some_and(|value| value >= least), "{name}{labels:?} is {value:?}: {page:#?}");
    };
    for (family, type_) in [
        ("reconciles", "counter"),
        ("reconcile_duration_seconds", "histogram"),
        ("aws_calls", "counter"),
        ("decrypted_values", "counter"),
        ("secret_writes", "counter"),
        ("objects", "gauge"),
    ] {
        assert_eq!(page.type_of(&format!("secureparameter_{family}")), Some(type_), "{family}");
    }
    for reason in ["Synced", "KeyUnavailable", "ParameterNotFound"] {
        at_least("secureparameter_reconciles_total", &[("kind", "SecureParameter"), ("reason", reason)], 1.0);
        at_least("secureparameter_objects", &[("reason", reason)], 1.0);
    }
    let duration = |suffix: &str, labels: &[(&str, &str)]| {
        page.value(&format!("secureparameter_reconcile_duration_seconds_{suffix}"), labels)
    };
    let count = duration("count", &[("kind", "SecureParameter")]);
    assert_eq!(count, duration("bucket", &[("kind", "SecureParameter"), ("le", "+Inf")]));
    assert!(count.is_some_and(|count| count >= 3.0), "{count:?}");
    for (operation, outcome) in [
        ("GetParameters", "OK"),
        ("GetParameters", "KeyUnavailable"),
        ("DescribeKey", "OK"),
        ("GetCallerIdentity", "OK"),
    ] {
        at_least("secureparameter_aws_calls_total", &[("operation", operation), ("outcome", outcome)], 1.0);
    }
    at_least("secureparameter_decrypted_values_total", &[], 1.0);
    at_least("secureparameter_secret_writes_total", &[], 1.0);
    let objects: f64 = page.named("secureparameter_objects").map(|sample| sample.value).sum();
    assert!((objects - 3.0).abs() < f64::EPSILON, "{objects} objects");
}

/// Checks that the gauge of a reason that no object has any more returns to zero.
async fn check_recovery(world: &World) -> Result<()> {
    world.plane.kubectl(["delete", "--namespace", "shop", "secureparameter", "basket"]).await?;
    eventually("the gauges to follow", PATIENCE, async || {
        let page = Page::parse(&world.operator().get("/metrics").await?.1)?;
        let count = |reason| page.value("secureparameter_objects", &[("reason", reason)]);
        Ok((count("KeyUnavailable") == Some(0.0) && count("Synced") == Some(1.0)).then_some(()))
    })
    .await
}
