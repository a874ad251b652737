//! `sync`, `suspend` and `resume`: requests to the operator, with the role edit.

use anyhow::{Result, ensure};
use secure_parameter_operator::api::SecureParameter;
use serde_json::json;

use super::{User, VALUE, golden, worlds::put};
use crate::support::{World, handled_sync};

#[tokio::test]
async fn a_sync_is_waited_for() -> Result<()> {
    let world = World::start().await?;
    put(&world, "/shop/token");
    // Only the requests of the user make the operator look.
    let unpolled = json!({"refreshInterval": "0s"});
    world.apply(&world.object("checkout", &[("TOKEN", "/shop/token")], &unpolled)).await?;
    world.apply(&world.object("missing", &[("TOKEN", "/shop/none")], &unpolled)).await?;
    world.apply(&world.object("asleep", &[("TOKEN", "/shop/token")], &json!({"suspend": true}))).await?;
    world.synced("checkout").await?;
    world.wait_for("missing", "False", "ParameterNotFound").await?;
    let user = User::with_role(&world, "edit").await?;

    let newer = format!("{VALUE}-newer");
    world.aws.put("/shop/token", &newer);
    let printed = user.prints(&["sync", "checkout", "checkout", "-n", "shop"]).await?;
    golden::check("sync.txt", &printed)?;
    assert_eq!(world.secret("checkout").await?.and_then(|data| data.get("TOKEN").cloned()), Some(newer));
    let token = world.api::<SecureParameter>().get("checkout").await?;
    ensure!(handled_sync(&token).is_some(), "the operator repeats the token");

    user.is_told(&["sync", "asleep", "-n", "shop"], &["is suspended", "resume"]).await?;
    let outcome = user.run(&["sync", "--all", "-n", "shop", "--timeout", "2s"]).await?;
    ensure!(outcome.code == 1 && outcome.output.contains("checkout is in sync"), "{outcome:?}");
    ensure!(outcome.error.contains("missing was not synced within 2 s: ParameterNotFound"), "{outcome:?}");
    ensure!(!outcome.error.contains("asleep"), "what is suspended is left out: {outcome:?}");

    // A failure that is news ends the wait at once.
    world.aws.delete("/shop/token");
    let outcome = user.run(&["sync", "checkout", "-n", "shop", "--timeout", "1h"]).await;
    assert_eq!(outcome?.code, 2, "hours are not a unit");
    let outcome = user.run(&["sync", "checkout", "-n", "shop", "--timeout", "60m"]).await?;
    ensure!(outcome.code == 1 && outcome.error.contains("was not synced: ParameterNotFound"), "{outcome:?}");

    assert_eq!(
        user.prints(&["sync", "missing", "-n", "shop", "--timeout=0s"]).await?,
        "SecureParameter shop/missing will be synced.\n"
    );
    user.is_told(&["sync", "--all", "-n", "default"], &["no SecureParameter to sync in namespace default"]).await?;
    let viewer = User::with_role(&world, "view").await?;
    viewer.is_told(&["sync", "checkout", "-n", "shop"], &["Cannot sync", "may not", "edit for changes"]).await
}

#[tokio::test]
async fn objects_are_suspended_and_resumed() -> Result<()> {
    let world = World::start().await?;
    put(&world, "/shop/token");
    world.apply(&world.object("checkout", &[("TOKEN", "/shop/token")], &json!({}))).await?;
    world.synced("checkout").await?;
    let user = User::with_role(&world, "edit").await?;
    let field = async || Ok::<_, anyhow::Error>(world.api::<SecureParameter>().get("checkout").await?.spec.suspend);

    let run = async |command: &str| user.prints(&[command, "checkout", "-n", "shop"]).await;
    assert_eq!(run("suspend").await?, "SecureParameter shop/checkout is suspended now.\n");
    assert_eq!(field().await?, Some(true));
    assert_eq!(run("suspend").await?, "SecureParameter shop/checkout is already suspended.\n");
    let is_suspended = |object: &SecureParameter| {
        let conditions = object.status.iter().flat_map(|status| &status.conditions);
        conditions.into_iter().any(|condition| condition.type_ == "Suspended")
    };
    world.wait_until("checkout", "the operator to have seen it", is_suspended).await?;
    assert_eq!(run("resume").await?, "SecureParameter shop/checkout has been resumed.\n");
    assert_eq!(field().await?, None, "the field disappears as it came");
    world.synced("checkout").await?;

    // A GitOps tool that states the field is named, since it may set the field back.
    let stated = world.object("checkout", &[("TOKEN", "/shop/token")], &json!({"suspend": false}));
    let apply = ["apply", "--server-side", "--force-conflicts", "--field-manager=flux", "-f", "-"];
    world.plane.kubectl_stdin(apply, &stated.to_string()).await?;
    let printed = run("suspend").await?;
    golden::check("suspend.txt", &printed)?;
    assert_eq!(field().await?, Some(true));
    run("resume").await?;
    user.is_told(&["suspend", "absent", "-n", "shop"], &["shop/absent does not exist"]).await
}
