//! Scenarios with failures.

use std::time::Duration;

use anyhow::Result;
use testbed::fake_aws::Quota;

use crate::{
    fleet::{Fleet, OPEN_QUOTA},
    measurement::{Measurement, Row},
    progress, scenario,
};

/// Requests a second that other users leave of the quota of the account.
const LEFT_BY_OTHERS: f64 = 5.0;
/// One of this many objects fails.
const BROKEN: usize = 20;

/// A cold start where some parameters are denied and some are missing, until all others are in sync; then two minutes of
/// that state.
pub async fn broken() -> Result<Vec<Row>> {
    let fleet = Fleet::new(1000, 1);
    let mut world = fleet.world().await?;
    let count = fleet.objects / BROKEN;
    for (turn, number) in (0..fleet.objects).step_by(BROKEN).enumerate() {
        let parameter = fleet.parameter(number, 0);
        if turn % 2 == 0 {
            world.aws.delete(&parameter);
        } else {
            world.aws.deny("ssm:GetParameters", &world.aws.parameter_arn(&parameter));
        }
    }
    let mut measurement = Measurement::begin(&mut world, "broken").await?;
    measurement.launch(&mut world)?;
    let expected = [("Synced", fleet.objects - count), ("ParameterNotFound", count / 2), ("AccessDenied", count / 2)];
    progress::reasons(world.operator(), fleet, &expected).await?;
    let start = measurement.end(&mut world).await?;
    progress::settled(&world, fleet).await?;
    let measurement = Measurement::begin(&mut world, "broken, 2 min").await?;
    tokio::time::sleep(Duration::from_mins(2)).await;
    let later = measurement.end(&mut world).await?;
    fleet.verify(&world, fleet.objects - count).await?;
    Ok(vec![start, later])
}

/// A cold start in an account that throttles: at its default quota, to which the store is limited too, or at the rest that
/// other users leave of it, of which the store does not know.
pub async fn quota(allowed: i32) -> Result<Vec<Row>> {
    let fleet = Fleet { quota: allowed, ..Fleet::new(1000, 1) };
    let mut world = fleet.world().await?;
    let (name, reads) = if allowed == OPEN_QUOTA { ("overrun", LEFT_BY_OTHERS) } else { ("quota", f64::from(allowed)) };
    world.aws.set_quota(Some(Quota { reads, ..Quota::default() }));
    Ok(vec![scenario::start(&mut world, fleet, name).await?])
}
