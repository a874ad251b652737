//! Many objects with their parameters, in namespace `shop` and, if they are very many, in others like it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use secure_parameter_operator::api::SecureParameter;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    progress, report,
    support::{World, object, store},
};

/// A quota, in requests a second, that no scenario reaches.
pub const OPEN_QUOTA: i32 = 1000;
/// Latency of the fake AWS.
pub const LATENCY: Duration = Duration::from_millis(20);
/// Longest time until the operator reaches an expected state, if the objects are not very many.
const PATIENCE: Duration = Duration::from_secs(600);
/// The same for each object.
const PATIENCE_EACH: Duration = Duration::from_millis(40);
/// Number of objects that are created at a time.
const CREATORS: usize = 64;
/// Number of objects that are listed at a time.
const PAGE: u32 = 2000;
/// Number of objects in one namespace, and of the parameters that the operator lets a namespace read.
const IN_NAMESPACE: usize = 10_000;

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
        for first in (IN_NAMESPACE..self.objects).step_by(IN_NAMESPACE) {
            let metadata = json!({"name": namespace(first)});
            world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await?;
        }
        let started = Instant::now();
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
        report::note(&format!("{} objects created in {:.1} s", self.objects, started.elapsed().as_secs_f64()))?;
        Ok(world)
    }

    /// Creates everything, starts the operator, and waits until all objects are in sync.
    pub async fn synced(self) -> Result<World> {
        let mut world = self.world().await?;
        world.launch_operator()?;
        progress::reasons(world.operator(), self, &[("Synced", self.objects)]).await?;
        progress::settled(&world, self).await?;
        Ok(world)
    }

    /// Creates the object with this number, which may be one more than there are.
    pub async fn create(self, world: &World, number: usize) -> Result<()> {
        let entries: Vec<_> = (0..self.keys).map(|key| (format!("KEY_{key}"), self.parameter(number, key))).collect();
        let entries: Vec<_> = entries.iter().map(|(key, parameter)| (key.as_str(), parameter.as_str())).collect();
        let mut manifest = object(&name(number), &entries, &json!({"refreshInterval": self.interval}));
        manifest["metadata"]["namespace"] = json!(namespace(number));
        let objects: Api<SecureParameter> = Api::namespaced(world.client.clone(), &namespace(number));
        objects.create(&PostParams::default(), &serde_json::from_value(manifest)?).await?;
        Ok(())
    }

    /// Name of the parameter of a key.
    pub fn parameter(self, number: usize, key: usize) -> String {
        let owner = if self.shared { "all".to_owned() } else { name(number) };
        format!("/{}/{owner}/{key}", namespace(number))
    }

    /// Longest time until the operator reaches an expected state.
    pub fn patience(self) -> Duration {
        PATIENCE + PATIENCE_EACH * u32::try_from(self.objects).unwrap_or(u32::MAX)
    }

    /// All objects, also those that were created later.
    pub async fn list(self, world: &World) -> Result<Vec<SecureParameter>> {
        list(Api::all(world.client.clone())).await
    }

    /// Checks that this many objects are in sync, and that their Secrets hold the value.
    pub async fn verify(self, world: &World, synced: usize) -> Result<()> {
        let ready = self.list(world).await?.iter().filter(|object| is_synced(object)).count();
        ensure!(ready == synced, "{ready} objects are in sync instead of {synced}");
        let whole = |secret: &&Secret| {
            let values = secret.data.iter().flatten().map(|(_, value)| &value.0[..]);
            secret.name_any().starts_with("object-")
                && values.clone().count() == self.keys
                && values.into_iter().all(|value| value == b"value")
        };
        let whole = list(Api::<Secret>::all(world.client.clone())).await?.iter().filter(whole).count();
        ensure!(whole == synced, "{whole} Secrets hold the value instead of {synced}");
        Ok(())
    }
}

/// Namespace of the object with this number.
fn namespace(number: usize) -> String {
    match number / IN_NAMESPACE {
        0 => "shop".to_owned(),
        more => format!("shop-{more}"),
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

/// Lists everything page by page, as the API server prefers.
async fn list<K: Clone + std::fmt::Debug + DeserializeOwned>(api: Api<K>) -> Result<Vec<K>> {
    let (mut items, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let listed = api.list(&page).await?;
        items.extend(listed.items);
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(items),
        }
    }
}
