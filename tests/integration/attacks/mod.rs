//! A tenant who knows the code, and tries to obtain what belongs to another tenant or to the operator: with each object and
//! request that the built-in role `edit` of one namespace allows, on a real control plane with RBAC, with the operator fenced in
//! as the chart does it.
//!
//! All attacks share one world. Each is a row that says what the API server, the operator or AWS must answer; the world itself
//! checks that nothing was obtained: [`world::Tenants::nothing_was_obtained`].

mod api;
mod attack;
mod credentials;
mod fixtures;
mod objects;
mod parameters;
mod requests;
mod secrets;
mod world;

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};

use attack::Attack;
use world::Tenants;

/// Fewest attacks that the tables must hold.
const FEWEST: usize = 125;

#[tokio::test]
async fn no_tenant_obtains_what_belongs_to_others() -> Result<()> {
    let mut world = Tenants::start().await?;
    world.start_operator(&[]).await?;
    world.serves_honest_objects("first").await?;

    let of_parameters = parameters::attacks();
    let others = [credentials::attacks(&world), secrets::attacks(), objects::attacks()].concat();
    let refused = requests::requests();
    let count = of_parameters.len() + others.len() + refused.len();
    ensure!(count >= FEWEST, "only {count} attacks");
    try_join_all(refused.iter().map(|request| request.is_forbidden(&world))).await?;
    repel(&world, &[of_parameters.clone(), others].concat(), Attack::is_repelled).await?;
    requests::nobody_impersonates_the_operator(&world).await?;
    secrets::forged_marks_change_nothing(&world).await?;
    objects::a_forged_status_is_ignored(&world).await?;
    objects::long_texts_are_cut(&world).await?;
    objects::fast_edits_change_nothing(&world).await?;
    objects::no_message_says_what_exists(&world).await?;
    world.nothing_was_obtained().await?;
    world.serves_honest_objects("second").await?;

    // Again, with an operator that lets everything pass. Now AWS refuses, by the policy of the session.
    world.stop_operator()?;
    world.limit_sessions().await?;
    world.start_operator(&[(world::UNCHECKED, "yes")]).await?;
    repel(&world, &of_parameters, Attack::is_repelled_by_aws).await.context("without the operator's own check")?;
    world.nothing_was_obtained().await?;
    world.serves_honest_objects("third").await
}

/// Makes all attacks at once, each of which must be repelled. Tells of all that are not.
async fn repel(
    world: &Tenants,
    attacks: &[Attack],
    is_repelled: impl AsyncFn(&Attack, &Tenants) -> Result<()>,
) -> Result<()> {
    let repelled = join_all(attacks.iter().map(async |attack| is_repelled(attack, world).await.context(attack.name)));
    let failed: Vec<_> = repelled.await.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}
