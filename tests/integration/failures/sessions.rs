//! A session of the operator that AWS revokes before it expires.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{
    fake_aws::{DEFAULT_ACCOUNT, DEFAULT_REGION, Role},
    wait::eventually,
};

use crate::support::{PATIENCE, World, object};

const ASSUME: &str = "AssumeRoleWithWebIdentity";

#[tokio::test]
async fn a_revoked_session_is_replaced_once() -> Result<()> {
    let mut world = World::without_operator().await?;
    use_web_identity(&mut world)?;
    world.aws.put("/shop/a", "alpha");
    world.start_operator().await?;
    world.apply(&object("checkout", &[("A", "/shop/a")], &json!({"refreshInterval": "10s"}))).await?;
    world.synced("checkout").await?;
    let [session] = sessions(&world)?.try_into().ok().context("more than one session")?;

    // Older than credentials have to be before they are replaced.
    let checks = world.aws.calls("GetParameters") + 2;
    eventually("two checks", PATIENCE, async || Ok((world.aws.calls("GetParameters") >= checks).then_some(()))).await?;

    world.aws.expire(&session);
    world.aws.put("/shop/a", "newer");
    world.wait_for_secret("checkout", &[("A", "newer")]).await?;
    world.synced("checkout").await?;
    assert_eq!(sessions(&world)?.len(), 2, "STS is asked once more");
    let audit = world.operator().audit()?;
    let refused = audit.iter().map(|record| &record["cloudtrail"]).filter(|call| call["errorCode"].is_string());
    let refused: Vec<_> = refused.map(|call| call["eventName"].as_str().unwrap_or_default()).collect();
    assert_eq!(refused, ["GetParameters"], "the refused call itself leads to new credentials");
    Ok(())
}

/// Configures the operator as IRSA does.
fn use_web_identity(world: &mut World) -> Result<()> {
    let role = Role::new(DEFAULT_ACCOUNT, "operator");
    let token = world.plane.folder().join("token");
    fs::write(&token, "a-token")?;
    let inherited: Vec<_> = world.aws.environment().into_iter().map(|(name, _)| name).collect();
    world.unset_environment(&inherited.iter().map(String::as_str).collect::<Vec<_>>());
    world.set_environment(
        &[
            ("AWS_ENDPOINT_URL", world.aws.url()),
            ("AWS_REGION", DEFAULT_REGION.to_owned()),
            ("AWS_ROLE_ARN", role.arn.clone()),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    world.aws.add_role(role);
    Ok(())
}

/// Returns the access key ids of all sessions that STS opened, oldest first.
fn sessions(world: &World) -> Result<Vec<String>> {
    let records = world.aws.records();
    let opened = records.iter().filter(|record| record["eventName"] == ASSUME);
    let access_key_id = |record: &Value| {
        let id = record["responseElements"]["credentials"]["accessKeyId"].as_str();
        id.map(str::to_owned).with_context(|| format!("no access key id in {record}"))
    };
    opened.map(access_key_id).collect()
}
