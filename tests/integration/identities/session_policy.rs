//! Session policies: AWS refuses what the operator should have refused. The operator of these tests does not check the access
//! rules itself.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use secure_parameter_operator::api::StoreStatus;
use serde_json::{Value, json};
use testbed::fake_aws::{Role, Statement};

use super::{add_role, arn, audited, reading, sessions_of};
use crate::support::{
    World, fails, store, store_shows,
    tenant::{TENANT, put_for_tenant},
};

/// The switch, which exists only in programs with debug assertions.
const UNCHECKED: &str = "SECUREPARAMETER_TEST_UNCHECKED_ACCESS";

/// A store that grants these globs to all namespaces, and to AWS too.
fn limited(globs: &[&str]) -> Value {
    let rule = json!({"name": "all", "namespaces": {"from": "All"}, "parameters": globs});
    let identity = json!({"assumeRoles": [{"roleARN": arn("limited")}], "sessionPolicy": "FromAccess"});
    store("default", &json!({"identity": identity, "access": [rule]}))
}

#[tokio::test]
async fn aws_refuses_what_the_rules_do_not_grant() -> Result<()> {
    let mut world = World::without_operator().await?;
    world.set_environment(&[(UNCHECKED.to_owned(), "yes".to_owned())]);
    add_role(&world.aws, "limited");
    for name in ["/shop/a", "/bank/a", "/bank/deep/a", "/shop-internal/a"] {
        put_for_tenant(&world, name, name);
    }
    world.apply(&limited(&["/{namespace}/**"])).await?;
    world.start_operator().await?;
    world.apply(&reading(&world, "checkout", "default")).await?;
    world.synced("checkout").await?;
    let asked = sessions_of(&world.aws, &arn("limited"));
    let policy = asked[0]["requestParameters"]["policy"].as_str().context("a session policy")?;
    ensure!(policy.contains("/shop/") && policy.len() <= 2_048, "{policy}");
    audited(&world, &asked).await?;

    for (name, parameter) in [("sibling", "/shop-internal/a"), ("foreign", "/bank/a")] {
        world.apply(&world.object(name, &[("A", parameter)], &json!({}))).await?;
        let parts = ["ssm:GetParameters", parameter, "because no session policy allows"];
        fails(&world, name, "AccessDenied", "Stalled", &parts).await?;
        ensure!(world.secret(name).await?.is_none(), "{name} was read");
    }
    let path = json!({"data": [], "dataFrom": [{"path": "/bank", "recursive": true}]});
    world.apply(&world.object("listing", &[], &path)).await?;
    fails(&world, "listing", "AccessDenied", "Stalled", &["ssm:GetParametersByPath", "session policy"]).await?;

    // An edit of the rules is an edit of the session.
    world.apply(&limited(&["/{namespace}/**", "/bank/**"])).await?;
    for name in ["foreign", "listing", "checkout"] {
        world.synced(name).await?;
    }
    world.apply(&limited(&["/{namespace}/**"])).await?;
    fails(&world, "foreign", "AccessDenied", "Stalled", &["session policy"]).await?;
    world.synced("checkout").await?;
    audited(&world, &sessions_of(&world.aws, &arn("limited"))).await
}

/// Rules too long for a session policy are widened, and what they grant can still be read. So is a policy that STS finds too
/// large in its packed form.
#[tokio::test]
async fn long_rules_are_widened_to_fit() -> Result<()> {
    let world = World::start().await?;
    world.aws.set_packed_limit(Some(1_500));
    let role = Role::new(TENANT, "limited").with_policy(vec![Statement::allow(&["ssm:*", "kms:*"], &["*"])]);
    world.aws.add_role(role);
    let globs: Vec<_> = (0..32)
        .map(|number| format!("/shop/a-folder-with-quite-a-long-name/and-number-{number}-of-many/*/x"))
        .collect();
    let rules: Vec<_> = (0..4)
        .map(|rule| {
            let globs: Vec<_> = globs.iter().map(|glob| glob.replace("/x", &format!("/x{rule}"))).collect();
            json!({"name": format!("rule-{rule}"), "namespaces": {"from": "All"}, "parameters": globs})
        })
        .collect();
    let identity = json!({"assumeRoles": [{"roleARN": arn("limited")}], "sessionPolicy": "FromAccess"});
    world.apply(&store("default", &json!({"identity": identity, "access": rules}))).await?;
    let parameter = "/shop/a-folder-with-quite-a-long-name/and-number-31-of-many/b/x3";
    put_for_tenant(&world, parameter, "long");
    world.apply(&world.object("checkout", &[("A", parameter)], &json!({}))).await?;
    world.synced("checkout").await?;
    let asked = sessions_of(&world.aws, &arn("limited"));
    let lengths: Vec<_> = asked.iter().map(|call| call["requestParameters"]["policy"].as_str().map(str::len)).collect();
    ensure!(lengths.len() == 2 && lengths[0] > Some(1_500) && lengths[0] <= Some(2_048), "{lengths:?}");
    ensure!(asked[0]["errorCode"] == "PackedPolicyTooLarge" && lengths[1] <= Some(1_500), "{lengths:?}: {}", asked[0]);
    let is_told = |status: &StoreStatus| status.warnings.iter().any(|warning| warning.contains("Namespace shop"));
    store_shows(&world, "default", "what was widened", is_told).await?;
    audited(&world, &asked).await
}

/// Each line of the product that knows the switch is left out of programs without debug assertions.
#[test]
fn no_release_contains_the_switch() -> Result<()> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config.rs"))?;
    let lines: Vec<_> = text.lines().collect();
    let at = |wanted: &str| (0..lines.len()).filter(|line| lines[*line].contains(wanted)).collect::<Vec<_>>();
    let [defined] = at(UNCHECKED)[..] else { anyhow::bail!("the switch is not in one place") };
    ensure!(lines[defined - 1] == "#[cfg(debug_assertions)]", "{}", lines[defined - 1]);
    let [defined_again, used] = at("UNCHECKED_ACCESS")[..] else { anyhow::bail!("the switch is used in many places") };
    ensure!(defined_again == defined && lines[used - 2] == "#[cfg(debug_assertions)]", "{}", lines[used - 2]);
    Ok(())
}
