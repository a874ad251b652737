//! Objects that change all the time: their parameters get new values, and their specs other labels.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use parking_lot::Mutex;
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::{fake_aws::FakeAws, wait::eventually};
use tokio::{task::JoinHandle, time::sleep};

use crate::support::{PATIENCE, World};

/// Name of the label.
const ROUND: &str = "round";

/// What a Secret has to hold in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wanted {
    value: String,
    round: String,
}

/// Changes that go on until [`Load::settle`].
pub struct Load {
    wanted: Arc<Mutex<Vec<Wanted>>>,
    is_over: Arc<AtomicBool>,
    task: JoinHandle<Result<()>>,
}

fn name(number: usize) -> String {
    format!("object-{number}")
}

fn path(number: usize) -> String {
    format!("/shop/load-{number}")
}

impl Load {
    /// Creates objects, and changes one of them after each pause.
    pub async fn start(world: &World, objects: usize, pause: Duration) -> Result<Self> {
        let mut manifests = Vec::new();
        for number in 0..objects {
            world.aws.put(&path(number), "first");
            manifests.push(world.object(&name(number), &[("KEY", &path(number))], &json!({})));
        }
        world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": manifests})).await?;
        for number in 0..objects {
            world.synced(&name(number)).await?;
        }
        let wanted = Wanted { value: "first".to_owned(), ..Wanted::default() };
        let (wanted, is_over) = (Arc::new(Mutex::new(vec![wanted; objects])), Arc::new(AtomicBool::default()));
        let change = change(world.aws.clone(), world.api(), wanted.clone(), is_over.clone(), pause);
        Ok(Self { wanted, is_over, task: tokio::spawn(change) })
    }

    /// Ends the changes, and waits until each Secret is as its last change wanted it.
    pub async fn settle(self, world: &World) -> Result<()> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await??;
        let wanted = self.wanted.lock().clone();
        let secrets = world.api::<Secret>();
        for (number, wanted) in wanted.iter().enumerate() {
            let (mut last, what) = (Wanted::default(), format!("{} to be as wanted", name(number)));
            let settled = eventually(&what, PATIENCE, async || {
                last = held(&secrets.get(&name(number)).await?);
                Ok((last == *wanted).then_some(()))
            });
            settled.await.with_context(|| format!("{last:?} instead of {wanted:?}"))?;
        }
        Ok(())
    }
}

fn held(secret: &Secret) -> Wanted {
    let data = secret.data.as_ref().and_then(|data| data.get("KEY"));
    let label = secret.metadata.labels.as_ref().and_then(|labels| labels.get(ROUND));
    Wanted {
        value: data.map(|value| String::from_utf8_lossy(&value.0).into_owned()).unwrap_or_default(),
        round: label.cloned().unwrap_or_default(),
    }
}

async fn change(
    aws: FakeAws,
    api: Api<SecureParameter>,
    wanted: Arc<Mutex<Vec<Wanted>>>,
    is_over: Arc<AtomicBool>,
    pause: Duration,
) -> Result<()> {
    let objects = wanted.lock().len();
    for round in 0_usize.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let number = round % objects;
        let value = format!("value-{round}");
        aws.put(&path(number), &value);
        wanted.lock()[number].value = value;
        // Both make the operator read at once.
        let patch = if (round / objects).is_multiple_of(2) {
            wanted.lock()[number].round = round.to_string();
            json!({"spec": {"target": {"labels": {ROUND: round.to_string()}}}})
        } else {
            sync(round)
        };
        api.patch(&name(number), &PatchParams::default(), &Patch::Merge(patch)).await?;
        sleep(pause).await;
    }
    Ok(())
}

/// A patch that asks for a sync.
pub fn sync(token: usize) -> Value {
    json!({"metadata": {"annotations": {"secureparameter.io/sync": token.to_string()}}})
}
