//! Outages: AWS throttles, fails, does not respond, or cannot be reached.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use kube::Api;
use secure_parameter_operator::api::{ClusterParameterStore, StoreStatus};
use serde_json::json;
use testbed::{fake_aws::Fault, wait::eventually};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use crate::support::{
    ACCOUNT, PATIENCE, REGION, World, calls, decrypting, echoed, fails, force, handled_sync, joins, object, recorded,
    snapshot, store_is, store_shows, tolerates,
};

/// A fault of every call.
const ALWAYS: usize = usize::MAX;

/// A world with an object in sync.
async fn world() -> Result<World> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.synced("checkout").await?;
    Ok(world)
}

#[tokio::test]
async fn throttling_leaves_a_good_secret_ready_for_three_intervals() -> Result<()> {
    let world = world().await?;
    let before = snapshot(&world, "checkout").await?;
    world.aws.fault("GetParameters", Fault::Throttle, ALWAYS);
    world.apply(&object("fresh", &[("A", "/shop/a")], &json!({}))).await?;
    let parts = [ACCOUNT, REGION, "ThrottlingException"];
    fails(&world, "fresh", "Throttled", "Reconciling", &parts).await?;
    assert_eq!(world.secret("fresh").await?, None);
    tolerates(&world, "checkout", "Throttled", &parts).await?;
    joins(&world, &recorded(&world, "checkout", "Throttled", &[]).await?)?;

    fails(&world, "checkout", "Throttled", "Reconciling", &["Secret checkout is kept as it was"]).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    let throttled = |status: &StoreStatus| {
        status.quota.as_ref().is_some_and(|quota| {
            quota.throttled_since.is_some() && quota.current_requests_per_second < quota.requests_per_second
        })
    };
    store_shows(&world, "default", "since when AWS throttles", throttled).await?;

    world.aws.clear_faults();
    world.synced("checkout").await?;
    world.synced("fresh").await?;
    let recovered = |status: &StoreStatus| {
        status.quota.as_ref().is_some_and(|quota| {
            quota.throttled_since.is_none() && quota.current_requests_per_second == quota.requests_per_second
        })
    };
    store_shows(&world, "default", "that AWS does not throttle any more", recovered).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    assert_eq!(decrypting(&calls(&world, "checkout")?), 1, "nothing is decrypted when an outage ends");
    Ok(())
}

#[tokio::test]
async fn failed_and_unreadable_responses_keep_the_secret() -> Result<()> {
    let world = world().await?;
    let before = snapshot(&world, "checkout").await?;
    for (operation, fault, reason, part) in [
        ("GetParameters", Fault::Close, "EndpointUnreachable", REGION),
        ("GetParameters", Fault::Reset, "EndpointUnreachable", REGION),
        ("GetParameters", Fault::Hang, "EndpointUnreachable", "timed out"),
        ("GetParameters", Fault::Internal, "ServiceUnavailable", "InternalServerError"),
        ("GetParameters", Fault::Unavailable, "ServiceUnavailable", "503"),
        ("GetParameters", Fault::Malformed, "ServiceUnavailable", "could not be read"),
        ("GetParameters", Fault::Empty, "ServiceUnavailable", "lacks a parameter"),
        ("kms:Decrypt", Fault::Internal, "ServiceUnavailable", "InternalServerError"),
        ("kms:Decrypt", Fault::Throttle, "Throttled", "ThrottlingException"),
    ] {
        let events = world.events("checkout").await?;
        world.aws.fault(operation, fault, ALWAYS);
        let token = force(&world, "checkout").await?;
        tolerates(&world, "checkout", reason, &[part]).await.with_context(|| format!("{operation} {fault:?}"))?;
        let record = recorded(&world, "checkout", reason, &events).await?;
        if matches!(fault, Fault::Internal | Fault::Throttle) {
            joins(&world, &record)?;
        }
        assert_eq!(snapshot(&world, "checkout").await?, before, "{operation} {fault:?}");
        world.aws.clear_faults();
        echoed(&world, "checkout", &token).await.with_context(|| format!("after {operation} {fault:?}"))?;
        world.synced("checkout").await?;
    }
    assert_eq!(snapshot(&world, "checkout").await?, before);
    Ok(())
}

/// AWS names what does not exist. What it merely leaves out exists for all that is known.
#[tokio::test]
async fn an_answer_without_content_removes_no_optional_key() -> Result<()> {
    let world = World::start().await?;
    world.aws.put("/shop/a", "alpha");
    world.aws.put("/shop/loose", "beta");
    let loose = json!({"key": "B", "parameter": "/shop/loose", "optional": true});
    let data = json!([{"key": "A", "parameter": "/shop/a"}, loose]);
    world.apply(&object("checkout", &[], &json!({"data": data}))).await?;
    world.synced("checkout").await?;
    let before = snapshot(&world, "checkout").await?;
    let calls_before = world.aws.calls("GetParameters");
    world.aws.fault("GetParameters", Fault::Empty, ALWAYS);
    // Enough for a check, its confirmation, and a read.
    let enough = async || Ok((world.aws.calls("GetParameters") >= calls_before + 12).then_some(()));
    eventually("more calls", PATIENCE, enough).await?;
    tolerates(&world, "checkout", "ServiceUnavailable", &["lacks a parameter"]).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    world.aws.clear_faults();
    world.synced("checkout").await?;
    world.aws.delete("/shop/loose");
    world.wait_for_secret("checkout", &[("A", "alpha")]).await
}

#[tokio::test]
async fn a_rotation_during_an_outage_is_synced_after_it() -> Result<()> {
    let world = world().await?;
    // The version check succeeds, but the read that follows does not.
    world.aws.fault("kms:Decrypt", Fault::Throttle, ALWAYS);
    world.aws.put("/shop/a", "rotated");
    tolerates(&world, "checkout", "Throttled", &["ThrottlingException"]).await?;
    world.wait_for_secret("checkout", &[("A", "alpha")]).await?;
    world.aws.clear_faults();
    world.wait_for_secret("checkout", &[("A", "rotated")]).await?;
    world.synced("checkout").await?;
    Ok(())
}

#[tokio::test]
async fn a_forced_sync_during_an_outage_is_done_after_it() -> Result<()> {
    let world = world().await?;
    world.aws.fault("GetParameters", Fault::Throttle, ALWAYS);
    let decrypts = world.aws.decrypts();
    let token = force(&world, "checkout").await?;
    tolerates(&world, "checkout", "Throttled", &[]).await?;
    assert_ne!(handled_sync(&world.api().get("checkout").await?), Some(token.as_str()), "the sync is not done yet");
    world.aws.clear_faults();
    echoed(&world, "checkout", &token).await?;
    world.synced("checkout").await?;
    assert_eq!(world.aws.decrypts(), decrypts + 1, "the sync decrypted once");
    Ok(())
}

#[tokio::test]
async fn an_unreachable_endpoint_is_used_once_it_is_reachable() -> Result<()> {
    let mut world = World::without_operator().await?;
    let mut gate = Gate::reserve().await?;
    world.set_environment(&[("AWS_ENDPOINT_URL".to_owned(), format!("http://{}", gate.address))]);
    world.aws.put("/shop/a", "alpha");
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({}))).await?;
    world.start_operator().await?;
    let stores: Api<ClusterParameterStore> = Api::all(world.client.clone());
    store_is(&stores, "default", "False", "EndpointUnreachable", &[REGION, "VPC endpoint"]).await?;
    fails(&world, "checkout", "EndpointUnreachable", "Reconciling", &[REGION, "VPC endpoint"]).await?;

    let aws: SocketAddr = world.aws.url().trim_start_matches("http://").parse()?;
    gate.open(aws).await?;
    world.synced("checkout").await?;
    store_is(&stores, "default", "True", "Synced", &[ACCOUNT]).await?;

    let before = snapshot(&world, "checkout").await?;
    let events = world.events("checkout").await?;
    gate.close();
    force(&world, "checkout").await?;
    tolerates(&world, "checkout", "EndpointUnreachable", &[REGION]).await?;
    recorded(&world, "checkout", "EndpointUnreachable", &events).await?;
    assert_eq!(snapshot(&world, "checkout").await?, before);
    world.aws.put("/shop/a", "rotated");
    gate.open(aws).await?;
    world.wait_for_secret("checkout", &[("A", "rotated")]).await?;
    world.synced("checkout").await?;
    Ok(())
}

/// An address that refuses connections until it is opened.
struct Gate {
    address: SocketAddr,
    relay: Option<JoinHandle<()>>,
}

impl Gate {
    /// Picks a free address and leaves it closed.
    async fn reserve() -> Result<Self> {
        let address = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
        Ok(Self { address, relay: None })
    }

    /// Forwards connections to `to` from now on.
    async fn open(&mut self, to: SocketAddr) -> Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.relay = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut to = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut from, &mut to).await
                });
            }
        }));
        Ok(())
    }

    /// Refuses connections from now on, and closes the open ones.
    fn close(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.abort();
        }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
    }
}
