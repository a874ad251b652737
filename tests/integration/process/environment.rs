//! The AWS configuration of the environment: endpoints of single services, profiles, web identity, container credentials.

use std::{fs, net::TcpListener, path::PathBuf};

use anyhow::{Context, Result};
use axum::{Json, Router, http::HeaderMap, http::StatusCode, routing::get};
use kube::Api;
use secure_parameter_operator::api::ClusterParameterStore;
use serde_json::json;
use testbed::{
    fake_aws::{DEFAULT_ACCOUNT, DEFAULT_REGION, Fault, Identity, KeyState, PutOptions, Role, WebIdentity},
    wait::eventually,
};

use crate::{
    audit::join,
    support::{PATIENCE, World, object},
};

/// Environment variables of one way to configure AWS, and the principal that results.
struct Way {
    name: &'static str,
    variables: Vec<(&'static str, String)>,
    principal: String,
    arguments: &'static [&'static str],
    /// Calls with which the SDK opens the session.
    opened_by: &'static [&'static str],
}

#[tokio::test]
async fn every_way_to_configure_aws_leads_to_a_ready_store() -> Result<()> {
    let mut world = World::without_operator().await?;
    let key = world.aws.create_key("broken");
    let keyed = PutOptions { key: Some("alias/broken".to_owned()), ..PutOptions::default() };
    world.aws.put("/shop/db", "value");
    world.aws.put_with("/shop/broken", "value", keyed);
    world.aws.set_key_state(&key, KeyState::Disabled);
    world.apply(&object("checkout", &[("DB", "/shop/db")], &json!({}))).await?;
    world.apply(&object("basket", &[("DB", "/shop/broken")], &json!({}))).await?;
    let inherited: Vec<_> = world.aws.environment().into_iter().map(|(name, _)| name).collect();
    let inherited: Vec<_> = inherited.iter().map(String::as_str).collect();
    let ways = [
        endpoints(&world)?,
        profile(&world)?,
        profile_with_role(&world)?,
        web_identity(&world)?,
        web_identity_of_cluster(&world)?,
        container(&world).await?,
    ];
    for way in ways {
        world.unset_environment(&inherited);
        let variables: Vec<_> = way.variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        world.set_environment(&variables);
        world.set_arguments(way.arguments);
        check(&mut world, &way).await.with_context(|| way.name)?;
        let names: Vec<_> = way.variables.iter().map(|(name, _)| *name).collect();
        world.unset_environment(&names);
    }
    Ok(())
}

/// Checks that the store becomes ready as the right principal, and that SSM and KMS accept its calls.
async fn check(world: &mut World, way: &Way) -> Result<()> {
    world.aws.clear_records();
    world.start_operator().await?;
    let stores: Api<ClusterParameterStore> = Api::all(world.client.clone());
    eventually(&format!("the store to read as {}", way.principal), PATIENCE, async || {
        let status = stores.get("default").await?.status.unwrap_or_default();
        let ready = status.conditions.iter().any(|c| c.type_ == "Ready" && c.reason == "Synced");
        let is_principal = status.identity.is_some_and(|identity| identity.arn == way.principal);
        Ok((ready && is_principal && status.region.as_deref() == Some(DEFAULT_REGION)).then_some(()))
    })
    .await?;
    let annotation = format!("secureparameter.io/sync={}", way.name);
    let annotate = ["annotate", "--overwrite", "--namespace", "shop", "secureparameter", "checkout", &annotation];
    world.plane.kubectl(annotate).await?;
    let read = world.wait_until("checkout", "the object to be read as this principal", |object| {
        let status = object.status.clone().unwrap_or_default();
        status.last_handled_sync.as_deref() == Some(way.name)
            && status.last_access.as_ref().is_some_and(|access| access.principal.as_deref() == Some(&*way.principal))
    });
    read.await?;
    eventually(
        "KMS to be asked about a key",
        PATIENCE,
        async || Ok((world.aws.calls("DescribeKey") > 0).then_some(())),
    )
    .await?;
    let operator = world.stop_operator()?;
    let trail = world.aws.records();
    join::check_each(&operator.audit()?, &trail);
    for opened in way.opened_by {
        assert!(trail.iter().any(|record| record["eventName"] == *opened), "no {opened}");
    }
    Ok(())
}

/// Endpoints of single services, which take precedence over the general one, where nothing listens.
fn endpoints(world: &World) -> Result<Way> {
    let identity = Identity::user(DEFAULT_ACCOUNT, "by-endpoints");
    world.aws.add_identity(identity.clone());
    let closed = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let variables = vec![
        ("AWS_ENDPOINT_URL", format!("http://{closed}")),
        ("AWS_ENDPOINT_URL_SSM", world.aws.url()),
        ("AWS_ENDPOINT_URL_KMS", world.aws.url()),
        ("AWS_ENDPOINT_URL_STS", world.aws.url()),
        ("AWS_REGION", DEFAULT_REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", identity.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", identity.secret_access_key.clone()),
    ];
    Ok(Way { name: "endpoints", variables, principal: identity.arn, arguments: &[], opened_by: &[] })
}

/// A profile of the configuration files.
fn profile(world: &World) -> Result<Way> {
    let identity = Identity::user(DEFAULT_ACCOUNT, "by-profile");
    world.aws.add_identity(identity.clone());
    let config = format!(
        "[default]\nregion = us-east-1\n[profile team]\nregion = {DEFAULT_REGION}\nendpoint_url = {}\n",
        world.aws.url()
    );
    let credentials = format!(
        "[team]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        identity.access_key_id, identity.secret_access_key
    );
    let variables = vec![
        ("AWS_PROFILE", "team".to_owned()),
        ("AWS_CONFIG_FILE", file(world, "aws-config", &config)?),
        ("AWS_SHARED_CREDENTIALS_FILE", file(world, "aws-credentials", &credentials)?),
    ];
    Ok(Way { name: "profile", variables, principal: identity.arn, arguments: &[], opened_by: &[] })
}

/// A role, assumed with the credentials of another profile. The first call fails.
fn profile_with_role(world: &World) -> Result<Way> {
    let identity = Identity::user(DEFAULT_ACCOUNT, "source");
    world.aws.add_identity(identity.clone());
    let role = Role { external_id: Some("shared".to_owned()), ..Role::new(DEFAULT_ACCOUNT, "by-profile") };
    let config = format!(
        "[profile team]\nregion = {DEFAULT_REGION}\nendpoint_url = {}\nrole_arn = {}\nsource_profile = source\n\
         external_id = shared\nrole_session_name = operator\n",
        world.aws.url(),
        role.arn
    );
    let credentials = format!(
        "[source]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        identity.access_key_id, identity.secret_access_key
    );
    world.aws.add_role(role);
    world.aws.fault("AssumeRole", Fault::Internal, 1);
    let variables = vec![
        ("AWS_PROFILE", "team".to_owned()),
        ("AWS_CONFIG_FILE", file(world, "aws-config-role", &config)?),
        ("AWS_SHARED_CREDENTIALS_FILE", file(world, "aws-credentials-role", &credentials)?),
    ];
    let principal = format!("arn:aws:sts::{DEFAULT_ACCOUNT}:assumed-role/by-profile/operator");
    Ok(Way { name: "profile-with-role", variables, principal, arguments: &[], opened_by: &["AssumeRole"] })
}

/// A token in a file, as IRSA mounts it.
fn web_identity(world: &World) -> Result<Way> {
    let role = Role::new(DEFAULT_ACCOUNT, "by-token");
    let variables = vec![
        ("AWS_ENDPOINT_URL", world.aws.url()),
        ("AWS_REGION", DEFAULT_REGION.to_owned()),
        ("AWS_ROLE_ARN", role.arn.clone()),
        ("AWS_ROLE_SESSION_NAME", "operator".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file(world, "token", "the-mounted-token")?),
    ];
    world.aws.add_role(role);
    world.aws.set_token_check(|token| {
        let identity = WebIdentity {
            subject: "system:serviceaccount:operators:operator".to_owned(),
            audience: "sts.amazonaws.com".to_owned(),
            provider: "https://issuer.test".to_owned(),
        };
        (token == "the-mounted-token").then_some(identity).ok_or_else(|| "not the token that was mounted".to_owned())
    });
    let principal = format!("arn:aws:sts::{DEFAULT_ACCOUNT}:assumed-role/by-token/operator");
    Ok(Way { name: "web-identity", variables, principal, arguments: &[], opened_by: &["AssumeRoleWithWebIdentity"] })
}

/// The same without a name for the session, which then has the name of the cluster.
fn web_identity_of_cluster(world: &World) -> Result<Way> {
    let mut way = web_identity(world)?;
    way.variables.retain(|(name, _)| *name != "AWS_ROLE_SESSION_NAME");
    let principal = format!("arn:aws:sts::{DEFAULT_ACCOUNT}:assumed-role/by-token/spo-blue");
    Ok(Way { name: "web-identity-of-cluster", principal, arguments: &["--cluster-name", "blue"], ..way })
}

/// An agent on loopback that returns credentials to a client with the right token, as EKS Pod Identity does.
async fn container(world: &World) -> Result<Way> {
    let identity = Identity::assumed_role(DEFAULT_ACCOUNT, "by-agent", "pod");
    world.aws.add_identity(identity.clone());
    let answer = json!({
        "AccessKeyId": identity.access_key_id,
        "SecretAccessKey": identity.secret_access_key,
        "Token": identity.session_token,
        "Expiration": "2099-01-01T00:00:00Z",
    });
    let give = async move |headers: HeaderMap| {
        let authorized = headers.get("authorization").is_some_and(|token| token == "the-agents-token");
        if authorized { Ok(Json(answer)) } else { Err(StatusCode::UNAUTHORIZED) }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let uri = format!("http://{}/v1/credentials", listener.local_addr()?);
    // The task ends with the runtime of the test.
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/v1/credentials", get(give))).await });
    let variables = vec![
        ("AWS_ENDPOINT_URL", world.aws.url()),
        ("AWS_REGION", DEFAULT_REGION.to_owned()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file(world, "agent-token", "the-agents-token")?),
    ];
    Ok(Way { name: "container", variables, principal: identity.arn, arguments: &[], opened_by: &[] })
}

fn file(world: &World, name: &str, content: &str) -> Result<String> {
    let path: PathBuf = world.plane.folder().join(name);
    fs::write(&path, content)?;
    Ok(path.display().to_string())
}
