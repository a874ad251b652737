//! `status`, `tree` and `can-i`: goldens of a healthy and of a broken world, seen with the role view.

use std::{fmt::Write, os::unix::fs::symlink};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::tools::Tool;
use tokio::process::Command;

use super::{
    User, ended, golden, json_of, namespace,
    worlds::{broken, healthy},
};
use crate::support::{World, chart::account_kubeconfig, store};

#[tokio::test]
async fn a_healthy_world_is_shown_to_viewers() -> Result<()> {
    let world = healthy().await?;
    let user = User::with_role(&world, "view").await?;
    golden::check("healthy-status.txt", &user.prints(&["status", "-A"]).await?)?;
    golden::check("healthy-tree.txt", &user.prints(&["tree", "-n", "shop"]).await?)?;
    golden::check("healthy-tree.json", &user.prints(&["tree", "invoices", "-n", "shop", "-o", "json"]).await?)?;
    assert_eq!(
        user.prints(&["status", "checkout", "--namespace=shop"]).await?,
        "1 SecureParameter and 1 store: all fine.\n"
    );
    // Cluster stores belong to no namespace, so they are shown everywhere.
    assert_eq!(
        user.prints(&["status"]).await?,
        "There is no SecureParameter in namespace default. 1 store: all fine.\n"
    );
    as_kubectl_finds_it(&user).await?;
    as_kubectl_completes_it(&user).await?;
    in_one_namespace(&world).await
}

/// kubectl itself finds the plugin, and passes its arguments on.
async fn as_kubectl_finds_it(user: &User) -> Result<()> {
    let mut command = Command::new(Tool::Kubectl.path().await?);
    let folder = user.program.parent().context("a folder")?;
    command.args(["secureparam", "status", "-A"]).env_clear().env("PATH", folder);
    command.env("KUBECONFIG", &user.kubeconfig).env("HOME", folder);
    let outcome = ended(command, "").await?;
    assert_eq!((outcome.code, outcome.output), (0, user.prints(&["status", "-A"]).await?), "{}", outcome.error);
    // The operator's own name has the same commands.
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
    command.args(["plugin", "status", "-A"]).env_clear().env("KUBECONFIG", &user.kubeconfig);
    assert_eq!(ended(command, "").await?.output, user.prints(&["status", "-A"]).await?);
    Ok(())
}

/// kubectl asks the same program for completions.
async fn as_kubectl_completes_it(user: &User) -> Result<()> {
    let folder = user.program.parent().context("a folder")?;
    symlink(&user.program, folder.join("kubectl_complete-secureparam"))?;
    let complete = async |words: &[&str]| -> Result<String> {
        let mut command = Command::new(Tool::Kubectl.path().await?);
        command.args(["__complete", "secureparam"]).args(words).env_clear().env("PATH", folder);
        command.env("KUBECONFIG", &user.kubeconfig).env("HOME", folder);
        Ok(ended(command, "").await?.output)
    };
    assert_eq!(complete(&["sync", "-n", "shop", ""]).await?, "checkout\ninvoices\n:4\n");
    assert_eq!(complete(&["su"]).await?, "suspend\n:4\n");
    assert_eq!(complete(&["tree", "--all"]).await?, "--all-namespaces\n:4\n");
    Ok(())
}

/// Whoever may view one namespace sees all of it, and is told what is hidden.
async fn in_one_namespace(world: &World) -> Result<()> {
    world.plane.kubectl(["create", "serviceaccount", "local", "--namespace=shop"]).await?;
    let binding = ["rolebinding", "local", "--clusterrole=view", "--serviceaccount=shop:local", "--namespace=shop"];
    world.plane.kubectl(["create"].into_iter().chain(binding)).await?;
    let user = User::of(world, account_kubeconfig(&world.plane, "shop", "local").await?)?;
    golden::check("hidden-status.txt", &user.prints(&["status", "-n", "shop"]).await?)?;
    golden::check("hidden-tree.txt", &user.prints(&["tree", "invoices", "-n", "shop"]).await?)?;
    user.is_told(&["status", "-A"], &["Cannot list secureparameters", "may not", "role view"]).await?;
    user.is_told(&["can-i", "/shop/a", "-n", "shop"], &["ClusterParameterStores", "role view for the whole cluster"])
        .await
}

#[tokio::test]
async fn a_broken_world_is_explained_to_viewers() -> Result<()> {
    let world = broken().await?;
    let user = User::with_role(&world, "view").await?;
    let outcome = user.run(&["status", "-n", "shop"]).await?;
    assert_eq!((outcome.code, outcome.error.as_str()), (1, ""));
    golden::check("broken-status.txt", &outcome.output)?;
    golden::check("broken-tree.txt", &user.prints(&["tree", "-n", "shop"]).await?)?;
    let outcome = user.run(&["status", "missing", "-n", "shop", "-o", "json"]).await?;
    golden::check("broken-status.json", &outcome.output)?;
    // What is merely suspended, or needs attention, is not broken.
    assert_eq!(user.run(&["status", "asleep", "-n", "shop"]).await?.code, 0);
    assert_eq!(user.run(&["status", "restarting", "-n", "shop"]).await?.code, 0);
    Ok(())
}

#[tokio::test]
async fn who_may_read_what_is_told_by_the_rules() -> Result<()> {
    let world = World::without_operator().await?;
    let selector = json!({"from": "Selector", "selector": {"matchLabels": {"team": "payments"}}});
    let access = json!([
        {"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/prod/{namespace}/**", "/prod/common/*"]},
        {"name": "payments", "namespaces": selector, "parameters": ["/prod/shared/payments/*"], "kmsKeys": ["alias/payments"]},
    ]);
    world.apply(&store("default", &json!({"prefix": "/prod", "access": access}))).await?;
    world
        .apply(&store(
            "strict",
            &json!({"access": [
                {"name": "shop-only", "namespaces": {"from": "Names", "names": ["shop"]}, "parameters": ["/legacy/*"]},
            ]}),
        ))
        .await?;
    world.apply(&namespace("billing", &json!({"team": "payments"}))).await?;
    let user = User::with_role(&world, "view").await?;

    let mut all = String::new();
    for (arguments, code) in [
        (&["can-i", "/shop/db-password", "-n", "shop"][..], 0),
        (&["can-i", "/shop/", "-n", "shop"], 0),
        (&["can-i", "/shared/payments/key", "-n", "billing"], 0),
        (&["can-i", "/shared/payments/key", "-n", "shop"], 1),
        (&["can-i", "/shared/payments/key", "-n", "absent"], 1),
        (&["can-i", "/legacy/a", "-n", "shop", "--store", "strict"], 0),
        (&["can-i", "/common/a", "--list"], 0),
        (&["can-i", "/shared/payments/key", "--list"], 0),
        (&["can-i", "/nobody/a", "--list"], 1),
    ] {
        let outcome = user.run(arguments).await?;
        ensure!(outcome.code == code && outcome.error.is_empty(), "{arguments:?}: {outcome:?}");
        writeln!(all, "$ kubectl secureparam {}\n{}", arguments.join(" "), outcome.output)?;
    }
    golden::check("can-i.txt", &all)?;
    let answer = json_of(&user.run(&["can-i", "/shared/payments/key", "-n", "billing", "-o", "json"]).await?)?;
    assert_eq!((&answer["allowed"], &answer["grants"][0]["rule"]), (&json!(true), &json!("payments")));
    user.is_told(&["can-i", "/a:3", "-n", "shop"], &["no name of a parameter", "without version"]).await?;
    user.is_told(&["can-i", "/a", "--store", "absent"], &["no such ClusterParameterStore"]).await
}
