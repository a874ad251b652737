//! The namespace `shop`: ten objects and ten rotations, one after the other and then together.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use secure_parameter_operator::api::SecureParameter;
use serde_json::json;

use crate::{
    sightings::Sightings,
    support::{World, object},
};

/// Objects that are created one after the other, and objects that are created together.
const OBJECTS: u32 = 10;
/// `refreshInterval` of the objects.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// Longest time to wait for a Secret.
const PATIENCE: Duration = Duration::from_secs(90);

/// The quiet namespace.
pub struct Quiet<'a> {
    /// The world, whose own namespace this is.
    pub world: &'a World,
    /// Beginning of the names of its objects.
    pub prefix: &'a str,
}

/// How long the quiet namespace waited. `None` means longer than anybody waits.
#[derive(Default)]
pub struct Waits {
    /// From the creation of an object until its Secret exists.
    pub first_syncs: Vec<Option<Duration>>,
    /// From the rotation of a parameter until the Secret holds the new value.
    pub rotations: Vec<Option<Duration>>,
    /// How long the API server took to create an object.
    pub creations: Vec<Duration>,
}

/// What one object waited for.
struct Wait {
    creation: Duration,
    first_sync: Option<Duration>,
    rotation: Option<Duration>,
}

impl Quiet<'_> {
    /// Creates and rotates within `length`. Takes longer if Secrets do.
    pub async fn run(&self, length: Duration) -> Result<Waits> {
        let seen = Sightings::of(self.world.api(), value_of_key);
        let start = Instant::now();
        let at = |percent: u32| start + length * percent / 100;
        let one_by_one = (0..OBJECTS).map(|number| (number, at(5 + 5 * number), at(20 + 5 * number)));
        let together = (OBJECTS..2 * OBJECTS).map(|number| (number, at(60), at(80)));
        let waits = one_by_one.chain(together);
        let waits = waits.map(|(number, create, rotate)| self.object(&seen, number, create, rotate));
        let mut all = Waits::default();
        for wait in try_join_all(waits).await? {
            all.creations.push(wait.creation);
            all.first_syncs.push(wait.first_sync);
            all.rotations.push(wait.rotation);
        }
        Ok(all)
    }

    /// Creates an object at one time and rotates its parameter at another.
    async fn object(&self, seen: &Sightings, number: u32, create: Instant, rotate: Instant) -> Result<Wait> {
        let name = format!("{}-{number}", self.prefix);
        let parameter = format!("/shop/{name}");
        let manifest = object(&name, &[("KEY", &parameter)], &json!({"refreshInterval": "10s"}));
        self.world.aws.put(&parameter, "first");
        tokio::time::sleep_until(create.into()).await;
        let created = Instant::now();
        self.world.api::<SecureParameter>().create(&PostParams::default(), &serde_json::from_value(manifest)?).await?;
        let creation = created.elapsed();
        let synced = seen.of_value(&name, "first", created + PATIENCE).await;
        let first_sync = synced.map(|at| at - created);
        tokio::time::sleep_until(rotate.into()).await;
        let rotated = Instant::now();
        self.world.aws.put(&parameter, "second");
        let written = seen.of_value(&name, "second", rotated + PATIENCE).await;
        // The first sync of an object that waited very long finds the second value.
        let rotation = first_sync.and(written).map(|at| at - rotated);
        Ok(Wait { creation, first_sync, rotation })
    }
}

fn value_of_key(secret: &Secret) -> Option<String> {
    let value = secret.data.as_ref()?.get("KEY")?;
    Some(String::from_utf8_lossy(&value.0).into_owned())
}
