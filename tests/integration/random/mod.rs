//! Random worlds: whatever happens to them, the operator ends with what a fresh one would make of them, and with nothing
//! that nobody wants.
//!
//! | Module | Content |
//! | --- | --- |
//! | `rng` | random numbers that a seed repeats |
//! | `model` | the world as the test means it, and what an operator has to make of it |
//! | `choose` | chooses the next step |
//! | `perform` | makes it in the real world |
//! | `compare` | compares both worlds |
//! | `watched` | what the operator asks of AWS |
//!
//! A seed gives the same steps in every run. `RANDOM_SEED=7 cargo test --test integration -- random::chosen --ignored`
//! runs one that is not among those below.

mod choose;
mod compare;
mod model;
mod perform;
pub mod rng;
mod watched;

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use kube::api::{DeleteParams, ListParams};
use secure_parameter_operator::api::SecureParameter;
use testbed::wait::eventually;

use crate::support::{PATIENCE, World};

use self::{
    compare::Made,
    model::{Model, Step},
    perform::Hands,
    rng::Rng,
};

/// Steps until the world is compared.
const STEPS: usize = 450;
/// Further steps, in the midst of which everything is deleted.
const LAST_STEPS: usize = 50;
/// Objects that are then created and deleted during their first sync, or nearly so.
const LAST_FLASHES: usize = 20;
/// Longest pause between two steps, in milliseconds.
const PAUSE: u32 = 120;
/// Latency of AWS, so that steps fall into calls.
const LATENCY: Duration = Duration::from_millis(20);

#[tokio::test]
async fn seed_2() -> Result<()> {
    run(2).await
}

#[tokio::test]
async fn seed_6() -> Result<()> {
    run(6).await
}

#[tokio::test]
#[ignore = "needs a seed in RANDOM_SEED"]
async fn chosen() -> Result<()> {
    run(std::env::var("RANDOM_SEED").context("RANDOM_SEED")?.parse()?).await
}

/// Runs the steps of a seed. An error names the seed and lists the steps.
async fn run(seed: u64) -> Result<()> {
    let (mut hands, mut model, mut steps) = (Hands::new().await?, Model::default(), Vec::new());
    hands.world.aws.set_latency(LATENCY);
    let mut rng = Rng::new(seed);
    let checked = run_steps(&mut rng, &mut hands, &mut model, &mut steps).await;
    checked.map_err(|error| anyhow!("seed {seed}: {error:#}\nsteps:\n{}", steps.join("\n")))
}

/// Makes all steps, and checks the world in between and at the end.
async fn run_steps(rng: &mut Rng, hands: &mut Hands, model: &mut Model, steps: &mut Vec<String>) -> Result<()> {
    for number in 0..STEPS {
        let step = choose::choose(model, rng, number);
        make(step, hands, model, steps).await?;
        pause(rng).await;
    }
    if !model.is_running {
        make(Step::Start, hands, model, steps).await?;
    }
    check(&mut hands.world, model).await?;
    for number in STEPS..STEPS + LAST_STEPS {
        let step = choose::choose(model, rng, number);
        if !matches!(step, Step::Stop { .. }) {
            make(step, hands, model, steps).await?;
            pause(rng).await;
        }
    }
    // Nothing keeps the last objects from being read.
    for step in [Step::Grant(true, true), Step::Label(true), Step::Store(true)] {
        make(step, hands, model, steps).await?;
    }
    for number in STEPS + LAST_STEPS..STEPS + LAST_STEPS + LAST_FLASHES {
        make(choose::flash(rng, number), hands, model, steps).await?;
    }
    delete_all(&hands.world, model).await?;
    watched::check_silence(&hands.world).await?;
    let log = hands.world.operator().log()?;
    ensure!(!log.contains("panicked"), "the operator panicked:\n{log}");
    Ok(())
}

/// Makes a step in the model and in the real world.
async fn make(step: Step, hands: &mut Hands, model: &mut Model, steps: &mut Vec<String>) -> Result<()> {
    model.apply(&step);
    steps.push(format!("{}: {step:?}", steps.len()));
    hands.perform(&step, model).await.with_context(|| format!("{step:?}"))
}

/// Some steps meet the operator at work, and some find it at rest.
async fn pause(rng: &mut Rng) {
    tokio::time::sleep(Duration::from_millis(rng.below(PAUSE).into())).await;
}

/// Checks that the world is as the model says, that a fresh operator leaves it so, and that nothing else is watched.
async fn check(world: &mut World, model: &Model) -> Result<()> {
    let before = settled(world, model).await?;
    watched::check_watched(world, model).await.context("the operator of all steps")?;
    world.stop_operator()?;
    world.start_operator().await?;
    watched::check_watched(world, model).await.context("a fresh operator")?;
    let mut after = settled(world, model).await?.lasting();
    for (what, before) in before.lasting() {
        let after = after.remove(&what);
        ensure!(after.as_ref() == Some(&before), "a fresh operator changed {what} from {before} to {after:?}");
    }
    ensure!(after.is_empty(), "a fresh operator added {after:?}");
    Ok(())
}

/// Waits until the world is as the model says.
async fn settled(world: &World, model: &Model) -> Result<Made> {
    let mut last = Vec::new();
    let waited = eventually("the world to be as the model says", PATIENCE, async || {
        let made = Made::read(world).await?;
        last = made.differences(model);
        Ok(last.is_empty().then_some(made))
    });
    waited.await.with_context(|| format!("differences:\n{}", last.join("\n")))
}

/// Deletes all objects and waits until they are gone, and their Secrets.
async fn delete_all(world: &World, model: &mut Model) -> Result<()> {
    let objects = world.api::<SecureParameter>();
    objects.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    model.objects.clear();
    settled(world, model).await.map(drop)
}
