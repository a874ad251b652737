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
mod rng;
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

/// Steps of a run.
const STEPS: usize = 500;
/// Longest pause between two steps, in milliseconds.
const PAUSE: u32 = 120;
/// Latency of AWS, so that steps fall into calls.
const LATENCY: Duration = Duration::from_millis(20);

// Several threads, because the fake AWS has to answer while the test waits for the operator to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_1() -> Result<()> {
    run(1).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seed_2() -> Result<()> {
    run(2).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a seed in RANDOM_SEED"]
async fn chosen() -> Result<()> {
    run(std::env::var("RANDOM_SEED").context("RANDOM_SEED")?.parse()?).await
}

/// Runs the steps of a seed. An error names the seed and lists the steps.
async fn run(seed: u64) -> Result<()> {
    let (mut hands, mut model, mut steps) = (Hands::new().await?, Model::default(), Vec::new());
    hands.world.aws.set_latency(LATENCY);
    let checked = match make_steps(seed, &mut hands, &mut model, &mut steps).await {
        Ok(()) => check(&mut hands.world, &model).await,
        failed => failed,
    };
    checked.map_err(|error| anyhow!("seed {seed}: {error:#}\nsteps:\n{}", steps.join("\n")))
}

async fn make_steps(seed: u64, hands: &mut Hands, model: &mut Model, steps: &mut Vec<String>) -> Result<()> {
    let mut rng = Rng::new(seed);
    for number in 0..STEPS {
        let step = choose::choose(model, &mut rng, number);
        model.apply(&step);
        steps.push(format!("{number}: {step:?}"));
        hands.perform(&step, model).await.with_context(|| format!("step {number}"))?;
        // Some steps meet the operator at work, and some find it at rest.
        tokio::time::sleep(Duration::from_millis(rng.below(PAUSE).into())).await;
    }
    if !model.is_running {
        model.apply(&Step::Start);
        hands.perform(&Step::Start, model).await?;
    }
    Ok(())
}

/// Checks the end of a run: the world is as the model says, a fresh operator leaves it so, and nothing remains watched.
async fn check(world: &mut World, model: &Model) -> Result<()> {
    let before = settled(world, model).await?;
    watched::check_watched(world, model).await.context("the operator of the last steps")?;
    world.stop_operator()?;
    world.start_operator().await?;
    watched::check_watched(world, model).await.context("a fresh operator")?;
    let after = settled(world, model).await?;
    for (what, before) in before.lasting() {
        let after = after.lasting().remove(&what);
        ensure!(after.as_ref() == Some(&before), "a fresh operator changed {what} from {before} to {after:?}");
    }
    delete_all(world).await?;
    watched::check_silence(world).await?;
    let log = world.operator().log()?;
    ensure!(!log.contains("panicked"), "the operator panicked:\n{log}");
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
async fn delete_all(world: &World) -> Result<()> {
    let objects = world.api::<SecureParameter>();
    objects.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let nothing = Model::default();
    settled(world, &nothing).await.map(drop)
}
