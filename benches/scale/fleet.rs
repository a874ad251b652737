//! Many objects with their parameters, in namespace `shop`.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use secure_parameter_operator::api::SecureParameter;
use serde_json::json;
use testbed::wait::eventually;

use crate::{
    operator,
    support::{World, object, store},
};

/// A quota, in requests a second, that no scenario reaches.
pub const OPEN_QUOTA: i32 = 1000;
/// Latency of the fake AWS.
pub const LATENCY: Duration = Duration::from_millis(20);
/// Longest time until the operator reaches an expected state.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// Number of objects that are created at a time.
const CREATORS: usize = 32;

/// The objects of a scenario.
#[derive(Clone, Copy)]
pub struct Fleet {
    /// Their number.
    pub objects: usize,
    /// Number of keys of each.
    pub keys: usize,
    /// True if all read the same parameters.
    pub shared: bool,
    /// `refreshInterval`.
    pub interval: &'static str,
    /// Requests a second that the store allows.
    pub quota: i32,
}

impl Fleet {
    /// Objects with parameters of their own, polled every minute, with a quota that is not reached.
    pub const fn new(objects: usize, keys: usize) -> Self {
        Self { objects, keys, shared: false, interval: "1m", quota: OPEN_QUOTA }
    }

    /// Creates everything in a world whose operator is not started yet.
    pub async fn world(self) -> Result<World> {
        let world = World::without_operator().await?;
        world.aws.set_latency(LATENCY);
        world.apply(&store("default", &json!({"quota": {"requestsPerSecond": self.quota}}))).await?;
        for number in 0..self.objects {
            for key in 0..self.keys {
                world.aws.put(&self.parameter(number, key), "value");
            }
        }
        stream::iter(0..self.objects)
            .map(|number| self.create(&world, number))
            .buffer_unordered(CREATORS)
            .try_collect::<()>()
            .await?;
        Ok(world)
    }

    /// Creates everything, starts the operator, and waits until all objects are in sync.
    pub async fn synced(self) -> Result<World> {
        let mut world = self.world().await?;
        world.start_operator().await?;
        reasons(&world, &[("Synced", self.objects)]).await?;
        settled(&world).await?;
        Ok(world)
    }

    /// Creates the object with this number, which may be one more than there are.
    pub async fn create(self, world: &World, number: usize) -> Result<()> {
        let entries: Vec<_> = (0..self.keys).map(|key| (format!("KEY_{key}"), self.parameter(number, key))).collect();
        let entries: Vec<_> = entries.iter().map(|(key, parameter)| (key.as_str(), parameter.as_str())).collect();
        let manifest = object(&name(number), &entries, &json!({"refreshInterval": self.interval}));
        world.api::<SecureParameter>().create(&PostParams::default(), &serde_json::from_value(manifest)?).await?;
        Ok(())
    }

    /// Name of the parameter of a key.
    pub fn parameter(self, number: usize, key: usize) -> String {
        let owner = if self.shared { "all".to_owned() } else { name(number) };
        format!("/shop/{owner}/{key}")
    }

    /// Checks that this many objects are in sync, and that their Secrets hold the value.
    pub async fn verify(self, world: &World, synced: usize) -> Result<()> {
        let objects = world.api::<SecureParameter>().list(&ListParams::default()).await?;
        let ready = objects.items.iter().filter(|object| is_synced(object)).count();
        ensure!(ready == synced, "{ready} objects are in sync instead of {synced}");
        let secrets: Api<Secret> = world.api();
        let secrets = secrets.list(&ListParams::default()).await?;
        let whole = |secret: &&Secret| {
            let values = secret.data.iter().flatten().map(|(_, value)| &value.0[..]);
            secret.name_any().starts_with("object-")
                && values.clone().count() == self.keys
                && values.into_iter().all(|value| value == b"value")
        };
        let whole = secrets.iter().filter(whole).count();
        ensure!(whole == synced, "{whole} Secrets hold the value instead of {synced}");
        Ok(())
    }
}

/// Name of the object with this number, and of its Secret.
pub fn name(number: usize) -> String {
    format!("object-{number:04}")
}

/// Reports whether the newest generation of the object is in sync.
pub fn is_synced(object: &SecureParameter) -> bool {
    let status = object.status.as_ref().filter(|status| status.observed_generation == object.metadata.generation);
    status.is_some_and(|status| {
        status.conditions.iter().any(|condition| condition.type_ == "Ready" && condition.reason == "Synced")
    })
}

/// Waits until exactly this many objects have these reasons. It reads the operator's metrics, because requests to the API
/// server would slow down what is measured.
pub async fn reasons(world: &World, expected: &[(&str, usize)]) -> Result<()> {
    let expected: BTreeMap<_, _> = expected.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect();
    let mut seen = BTreeMap::new();
    let what = format!("objects to show {expected:?}");
    let waited = eventually(&what, PATIENCE, async || {
        seen = operator::by_reason(world, "objects{").await?;
        seen.retain(|_, count| *count > 0);
        Ok((seen == expected).then_some(()))
    });
    let waited = waited.await;
    waited.map_err(|error| error.context(format!("objects by reason: {seen:?}")))
}

/// Waits until the status of every object in sync names its keys. The operator looks them up when it has nothing else to
/// do.
pub async fn settled(world: &World) -> Result<()> {
    let is_settled = |object: &SecureParameter| {
        let parameters = object.status.iter().flat_map(|status| &status.parameters);
        !is_synced(object) || parameters.into_iter().all(|parameter| parameter.key_arn.is_some())
    };
    let wait = async {
        while !world.api::<SecureParameter>().list(&ListParams::default()).await?.iter().all(is_settled) {
            // Not more often, because the list is long.
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, wait).await?
}

/// Waits until the operator has made this many successful reconciles.
pub async fn reconciles(world: &World, count: usize) -> Result<()> {
    eventually(&format!("{count} reconciles"), PATIENCE, async || {
        let reconciled = operator::by_reason(world, "reconciles_total{kind=\"SecureParameter\",")
            .await?
            .remove("Synced")
            .unwrap_or_default();
        Ok((reconciled >= count).then_some(()))
    })
    .await
}
