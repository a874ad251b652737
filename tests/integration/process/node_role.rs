//! The role of the node: asked for only where the operator may use it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    middleware,
    response::Response,
    routing::{get, put},
};
use kube::Api;
use secure_parameter_operator::api::ClusterParameterStore;
use serde_json::json;
use testbed::{
    fake_aws::{DEFAULT_ACCOUNT, Identity, Role},
    wait::eventually,
};

use crate::support::{PATIENCE, World};

const TOKEN: &str = "the-session-token";
const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";

/// The metadata service of a node (Amazon EC2 User Guide, "Retrieve IAM role credentials from instance metadata").
struct Metadata {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Metadata {
    /// Starts the service on loopback. It serves the credentials of a role that AWS knows.
    async fn start(world: &World) -> Result<Self> {
        let identity = Identity::assumed_role(DEFAULT_ACCOUNT, "node", "i-0123456789abcdef0");
        world.aws.add_identity(identity.clone());
        let credentials = json!({
            "Code": "Success",
            "Type": "AWS-HMAC",
            "LastUpdated": "2026-01-01T00:00:00Z",
            "AccessKeyId": identity.access_key_id,
            "SecretAccessKey": identity.secret_access_key,
            "Token": identity.session_token,
            "Expiration": "2099-01-01T00:00:00Z",
        });
        let is_session = |headers: &HeaderMap| {
            headers
                .get("x-aws-ec2-metadata-token")
                .is_some_and(|token| token == TOKEN)
                .then_some(())
                .ok_or(StatusCode::UNAUTHORIZED)
        };
        let token = async || ([("x-aws-ec2-metadata-token-ttl-seconds", "21600")], TOKEN);
        let role = async move |headers: HeaderMap| is_session(&headers).map(|()| "node");
        let of_role = async move |headers: HeaderMap| is_session(&headers).map(|()| Json(credentials));
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let count = middleware::map_response(move |response: Response| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { response }
        });
        let router = Router::new()
            .route("/latest/api/token", put(token))
            .route(CREDENTIALS, get(role))
            .route(&format!("{CREDENTIALS}node"), get(of_role))
            .layer(count);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        // The task ends with the runtime of the test.
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, requests })
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Waits until the operator says that it has no credentials, for this reason.
async fn waits_for_credentials(world: &World, reason: &str) -> Result<()> {
    let mut last = None;
    let waited = eventually("the operator to wait for credentials", PATIENCE, async || {
        let (code, body) = world.operator().get("/readyz").await?;
        let waits = code == 503 && body.contains("has no AWS credentials (") && body.contains(reason);
        last = Some(body);
        Ok(waits.then_some(()))
    });
    waited.await.with_context(|| format!("last seen: {last:?}"))
}

#[tokio::test]
async fn the_role_of_the_node_is_asked_for_only_with_the_flag() -> Result<()> {
    let mut world = World::without_operator().await?;
    let node = Metadata::start(&world).await?;
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    world.unset_environment(&[keys.as_slice(), &["AWS_EC2_METADATA_DISABLED"]].concat());
    world.set_environment(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT".to_owned(), node.url.clone())]);
    world.launch_operator()?;
    waits_for_credentials(&world, "the role of the node is used only with --allow-node-role").await?;
    world.wait_for_store("default", "CredentialsInvalid").await?;
    world.stop_operator()?;
    assert_eq!(node.requests(), 0, "the node was asked without the flag");

    // A profile that takes the role of the node is no way around.
    let role = Role::new(DEFAULT_ACCOUNT, "by-node");
    let profile = format!("[default]\nrole_arn = {}\ncredential_source = Ec2InstanceMetadata\n", role.arn);
    let path = world.plane.folder().join("aws-config-node");
    fs::write(&path, profile)?;
    world.aws.add_role(role);
    world.set_environment(&[("AWS_CONFIG_FILE".to_owned(), path.display().to_string())]);
    world.launch_operator()?;
    waits_for_credentials(&world, "credential_source = Ec2InstanceMetadata").await?;
    world.wait_for_store("default", "CredentialsInvalid").await?;
    world.stop_operator()?;
    assert_eq!(node.requests(), 0, "the node was asked for a profile");

    world.set_arguments(&["--allow-node-role"]);
    reads_as(&mut world, "assumed-role/by-node/").await?;
    world.unset_environment(&["AWS_CONFIG_FILE"]);
    reads_as(&mut world, "assumed-role/node/i-0123456789abcdef0").await?;
    assert!(node.requests() > 0);
    Ok(())
}

/// Runs the operator until the store reads as this principal.
async fn reads_as(world: &mut World, principal: &str) -> Result<()> {
    world.start_operator().await?;
    let stores: Api<ClusterParameterStore> = Api::all(world.client.clone());
    eventually(&format!("the store to read as {principal}"), PATIENCE, async || {
        let identity = stores.get("default").await?.status.and_then(|status| status.identity);
        Ok(identity.is_some_and(|identity| identity.arn.contains(principal)).then_some(()))
    })
    .await?;
    world.stop_operator().map(drop)
}
