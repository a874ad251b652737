//! Worlds that the plugin looks at.

use anyhow::Result;
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::VALUE;
use crate::support::{PATIENCE, World, store};

/// Writes a parameter whose value must not be shown.
pub fn put(world: &World, name: &str) {
    world.aws.put(name, &format!("{VALUE}-{}", name.len()));
}

/// A world where all is fine: keys from single parameters, a path, fields and a template.
pub async fn healthy() -> Result<World> {
    let world = World::start().await?;
    for name in ["/shop/db-password", "/shop/db-password", "/shop/app/log-level", "/shop/app/smtp-host", "/shop/token"]
    {
        put(&world, name);
    }
    world.aws.put("/shop/config", &json!({"HOST": VALUE, "PORT": VALUE}).to_string());
    world.apply(&checkout(&world)).await?;
    world.apply(&world.object("invoices", &[("TOKEN", "/shop/token")], &json!({}))).await?;
    world.settled().await?;
    Ok(world)
}

/// An object that uses all sources.
pub fn checkout(world: &World) -> Value {
    world.object(
        "checkout",
        &[("DB_PASSWORD", "/shop/db-password")],
        &json!({
            "dataFrom": [
                {"path": "/shop/app", "keys": {"style": "EnvVar"}},
                {"parameter": "/shop/config", "format": "JSON"},
            ],
            "target": {"name": "checkout-credentials", "template": {"data": {"URL": "postgres://app:{{ DB_PASSWORD }}@db"}}},
            "restart": [
                {"kind": "Deployment", "name": "checkout"},
                {"kind": "StatefulSet", "selector": {"matchLabels": {"app": "checkout"}}},
            ],
        }),
    )
}

/// A world where much is wrong.
pub async fn broken() -> Result<World> {
    let world = World::start().await?;
    put(&world, "/shop/token");
    let missing = json!({"identity": {"credentialsSecretRef": {"namespace": "shop", "name": "absent"}}});
    world.apply(&store("broken", &missing)).await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "taken", "namespace": "shop"},
                        "stringData": {"OTHER": VALUE}});
    world.apply(&secret).await?;
    let restart = json!({"restart": [{"kind": "Deployment", "name": "absent"}]});
    for (name, parameter, spec) in [
        ("missing", "/shop/none", json!({})),
        ("denied", "/other/token", json!({})),
        ("orphan", "/shop/token", json!({"storeRef": {"name": "absent"}})),
        ("waiting", "/shop/token", json!({"storeRef": {"name": "broken"}})),
        ("taken", "/shop/token", json!({})),
        ("asleep", "/shop/token", json!({"suspend": true})),
        ("restarting", "/shop/token", restart),
        ("fine", "/shop/token", json!({})),
    ] {
        world.apply(&world.object(name, &[("TOKEN", parameter)], &spec)).await?;
    }
    for (name, reason) in [
        ("missing", "ParameterNotFound"),
        ("denied", "PolicyDenied"),
        ("orphan", "StoreNotFound"),
        ("waiting", "StoreNotReady"),
        ("taken", "SecretConflict"),
    ] {
        world.wait_for(name, "False", reason).await?;
    }
    for name in ["restarting", "fine"] {
        world.synced(name).await?;
    }
    world.aws.put("/shop/token", &format!("{VALUE}-newer"));
    let is_newer = |object: &SecureParameter| {
        let parameters = object.status.iter().flat_map(|status| &status.parameters);
        parameters.into_iter().all(|parameter| parameter.version == 2)
    };
    world.wait_until("fine", "the newer version", is_newer).await?;
    for (name, condition) in [("restarting", "RestartFailed"), ("asleep", "Suspended")] {
        let shows = |object: &SecureParameter| {
            let conditions = object.status.iter().flat_map(|status| &status.conditions);
            conditions.into_iter().any(|found| found.reason == condition)
        };
        world.wait_until(name, &format!("{name} to be {condition}"), shows).await?;
    }
    eventually("store broken to fail", PATIENCE, async || {
        let printed = world.plane.kubectl(["get", "clusterparameterstore", "broken", "--output=json"]).await?;
        let store: Value = serde_json::from_str(&printed)?;
        let ready = &store["status"]["conditions"][0];
        Ok((ready["status"] == "False").then_some(()))
    })
    .await?;
    Ok(world)
}
