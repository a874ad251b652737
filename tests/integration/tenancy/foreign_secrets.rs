//! Secrets that the operator does not own, and that stores and objects refer to.

use std::fs;

use anyhow::Result;
use secure_parameter_operator::api::ParameterStore;
use serde_json::json;

use crate::support::{
    World, store_is,
    tenant::{TENANT, namespaced_store, secret_of, tenant},
};

const STORES: usize = 40;
/// Connections for twelve requests to the API server at a time, and a few to AWS.
const FOR_REQUESTS: usize = 16;

#[tokio::test]
async fn all_secrets_of_others_share_one_connection_and_each_change_is_noticed() -> Result<()> {
    let world = World::start().await?;
    let before = sockets(&world)?;
    let manifests: Vec<_> =
        (0..STORES).map(|n| namespaced_store(&world, &format!("store-{n}"), &format!("keys-{n}"))).collect();
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": manifests})).await?;
    let stores = world.api::<ParameterStore>();
    for n in 0..STORES {
        store_is(&stores, &format!("store-{n}"), "False", "StoreNotReady", &["does not exist"]).await?;
    }
    let after = sockets(&world)?;
    assert!(after <= before + 1 + FOR_REQUESTS, "{before} sockets before, {after} after");

    let identity = tenant(&world);
    for n in [0, STORES - 1] {
        world.apply(&secret_of(&world, &format!("keys-{n}"), &identity)).await?;
        store_is(&stores, &format!("store-{n}"), "True", "Synced", &[TENANT]).await?;
    }
    Ok(())
}

/// The number of sockets that the operator has open.
fn sockets(world: &World) -> Result<usize> {
    let files = fs::read_dir(format!("/proc/{}/fd", world.operator().process().id()))?;
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    Ok(links.filter(|link| link.to_string_lossy().starts_with("socket:")).count())
}
