//! Workloads that are restarted when their Secret changes. Each change may restart them once at most, and the last change
//! has to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Secret};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use parking_lot::Mutex;
use secure_parameter_operator::api::SecureParameter;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testbed::{fake_aws::FakeAws, wait::eventually};
use tokio::{task::JoinHandle, time::sleep};

use super::load::sync;
use crate::support::{PATIENCE, World};

/// Workloads, each with an object of its own.
const WORKLOADS: usize = 3;
/// Pause between two changes. A workload is restarted five seconds after the last change of its Secret, so each needs a
/// pause of more than that.
const PAUSE: Duration = Duration::from_millis(2_400);

/// All that was seen.
#[derive(Default)]
struct Seen {
    /// What each version of each Secret held: by the token of a restart for it.
    values: BTreeMap<String, String>,
    /// The tokens of the restarts of each workload.
    tokens: BTreeMap<String, Vec<String>>,
}

/// Changes that go on until [`Restarts::settle`].
pub struct Restarts {
    seen: Arc<Mutex<Seen>>,
    wanted: Arc<Mutex<[String; WORKLOADS]>>,
    is_over: Arc<AtomicBool>,
    task: JoinHandle<Result<()>>,
}

/// Name of an object, of its Secret and of its workload.
fn name(number: usize) -> String {
    format!("web-{number}")
}

fn path(number: usize) -> String {
    format!("/shop/web-{number}")
}

impl Restarts {
    /// Creates workloads and objects, and changes them one after the other.
    pub async fn start(world: &World) -> Result<Self> {
        for number in 0..WORKLOADS {
            world.aws.put(&path(number), "first");
            world.apply(&workload(world, &name(number))).await?;
            let restart = json!({"restart": [{"kind": "Deployment", "name": name(number)}]});
            world.apply(&world.object(&name(number), &[("KEY", &path(number))], &restart)).await?;
            world.synced(&name(number)).await?;
        }
        let (seen, is_over) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::default()));
        let wanted = Arc::new(Mutex::new([(); WORKLOADS].map(|()| "first".to_owned())));
        let on_secret = seen.clone();
        tokio::spawn(follow(world.api(), move |secret: Secret| on_secret.lock().secret(&secret)));
        let on_workload = seen.clone();
        tokio::spawn(follow(world.api(), move |workload: Deployment| on_workload.lock().workload(&workload)));
        let task = tokio::spawn(change(world.aws.clone(), world.api(), wanted.clone(), is_over.clone()));
        Ok(Self { seen, wanted, is_over, task })
    }

    /// Ends the changes, and waits until each workload is restarted for the last one. Checks that none was restarted twice for
    /// one. Returns the number of restarts.
    pub async fn settle(self, world: &World) -> Result<usize> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await??;
        let wanted = self.wanted.lock().clone();
        for (number, wanted) in wanted.iter().enumerate() {
            let (mut last, what) = (None, format!("{} to be restarted", name(number)));
            let settled = eventually(&what, PATIENCE, async || {
                last = self.seen.lock().restarts(&name(number)).pop().flatten();
                Ok((last.as_ref() == Some(wanted)).then_some(()))
            });
            if let Err(error) = settled.await {
                let status = world.api::<SecureParameter>().get(&name(number)).await?.status;
                let seen = (&self.seen.lock().values, serde_json::to_string(&status)?);
                bail!("{error}; last restarted for {last:?} instead of {wanted}: {seen:?}");
            }
        }
        let seen = self.seen.lock();
        for workload in (0..WORKLOADS).map(name) {
            let restarts = seen.restarts(&workload);
            let distinct: BTreeSet<_> = restarts.iter().collect();
            ensure!(distinct.len() == restarts.len(), "{workload} was restarted twice for one change: {restarts:?}");
        }
        Ok(seen.tokens.values().map(Vec::len).sum())
    }
}

impl Seen {
    fn secret(&mut self, secret: &Secret) {
        let value = secret.data.as_ref().and_then(|data| data.get("KEY"));
        let token = format!("{}/{}", secret.name_any(), secret.resource_version().unwrap_or_default());
        self.values
            .insert(token, value.map(|value| String::from_utf8_lossy(&value.0).into_owned()).unwrap_or_default());
    }

    fn workload(&mut self, workload: &Deployment) {
        let metadata = workload.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
        let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
        let key = format!("restarted-for.secureparameter.io/{}", workload.name_any());
        let tokens = self.tokens.entry(workload.name_any()).or_default();
        if let Some(token) = annotations.and_then(|annotations| annotations.get(&key))
            && tokens.last() != Some(token)
        {
            tokens.push(token.clone());
        }
    }

    /// What the Secret of a workload held at each restart, oldest first.
    fn restarts(&self, workload: &str) -> Vec<Option<String>> {
        let tokens = self.tokens.get(workload).into_iter().flatten();
        tokens.map(|token| self.values.get(token).cloned()).collect()
    }
}

fn workload(world: &World, name: &str) -> Value {
    let pod = json!({"containers": [{"name": "main", "image": "none"}]});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": world.namespace},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": pod},
        },
    })
}

/// Calls `see` with each version of each object.
async fn follow<K>(api: Api<K>, see: impl Fn(K))
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
{
    let mut changes = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
    loop {
        match changes.try_next().await {
            Ok(Some(object)) => see(object),
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

async fn change(
    aws: FakeAws,
    api: Api<SecureParameter>,
    wanted: Arc<Mutex<[String; WORKLOADS]>>,
    is_over: Arc<AtomicBool>,
) -> Result<()> {
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let (number, value) = (round % WORKLOADS, format!("value-{round}"));
        aws.put(&path(number), &value);
        wanted.lock()[number] = value;
        api.patch(&name(number), &PatchParams::default(), &Patch::Merge(sync(round))).await?;
        sleep(PAUSE).await;
    }
    Ok(())
}
