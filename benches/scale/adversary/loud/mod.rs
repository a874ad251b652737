//! The namespace `loud`, which takes all that it can get.
//!
//! | Module | Content |
//! | --- | --- |
//! | `manifests` | its objects, stores and Secrets |
//! | `client` | its requests, counted |
//!
//! Its requests come at rates that the API server bears on two cores, so that what is measured is the operator.

mod client;
mod manifests;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::json;
use testbed::fake_aws::{DEFAULT_ACCOUNT, FakeAws, Identity};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use crate::support::World;

use self::client::Client;

/// The namespace.
pub const NAMESPACE: &str = "loud";
/// Objects with sixteen paths that do not exist.
const EMPTY_PATHS: usize = 62;
/// Objects with a hundred names that do not exist.
const MISSING_NAMES: usize = 60;
/// Stores with credentials of their own.
const STORES: usize = 150;
/// Objects that add keys to Secrets that do not consent, and as many that want to own them.
const FOREIGN: usize = 100;
/// Objects that read a path with very many parameters.
const HUGE: usize = 5;
/// Parameters below that path.
const HUGE_PARAMETERS: usize = 3000;
/// Objects whose spec changes.
const CHANGING: usize = 10;
/// Time between two annotations of the same credentials.
const ANNOTATE: Duration = Duration::from_secs(2);
/// Time between two annotations of foreign Secrets.
const TOUCH: Duration = Duration::from_millis(50);
/// Time between two objects that are created. Each is deleted a second later.
const CHURN: Duration = Duration::from_millis(333);
/// Time between two changes of a spec.
const CHANGE: Duration = Duration::from_millis(200);

/// The namespace before it does anything.
pub struct Loud {
    client: Arc<Client>,
    stores: Vec<Identity>,
}

/// The namespace while it takes all that it can get. Ends when this is dropped.
pub struct Running {
    client: Arc<Client>,
    /// Aborts its tasks when it is dropped.
    _tasks: JoinSet<()>,
}

impl Loud {
    /// Creates the namespace, and what AWS knows of it.
    pub async fn prepare(world: &World) -> Result<Self> {
        let metadata = json!({"name": NAMESPACE});
        world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await?;
        put_parameters(&world.aws);
        let stores = (0..STORES).map(|_| {
            let identity = Identity::user(DEFAULT_ACCOUNT, "loud");
            world.aws.add_identity(identity.clone());
            identity
        });
        Ok(Self { client: Arc::new(Client::new(world.plane.client().await?)), stores: stores.collect() })
    }

    /// Does everything at once until the result is dropped.
    pub fn start(self) -> Running {
        let Self { client, stores } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(create(Arc::clone(&client), EMPTY_PATHS, manifests::empty_paths));
        tasks.spawn(create(Arc::clone(&client), MISSING_NAMES, manifests::missing_names));
        tasks.spawn(create(Arc::clone(&client), HUGE, manifests::huge_path));
        tasks.spawn(credentials(Arc::clone(&client), stores));
        tasks.spawn(foreign(Arc::clone(&client)));
        tasks.spawn(churn(Arc::clone(&client)));
        tasks.spawn(change(Arc::clone(&client)));
        Running { client, _tasks: tasks }
    }
}

impl Running {
    /// Ends it. Returns the numbers of its requests by kind.
    pub fn stop(self) -> BTreeMap<&'static str, usize> {
        self.client.counts()
    }
}

fn put_parameters(aws: &FakeAws) {
    let value = "x".repeat(4000);
    for number in 0..HUGE_PARAMETERS {
        aws.put(&format!("/{NAMESPACE}/huge/{number}"), &value);
    }
    for number in 0..STORES.max(CHANGING) {
        aws.put(&format!("/{NAMESPACE}/there/{number}"), "value");
    }
}

async fn create(client: Arc<Client>, count: usize, manifest: fn(usize) -> serde_json::Value) {
    for number in 0..count {
        client.create_object(manifest(number)).await;
    }
}

/// Creates stores with their credentials and an object each, and then annotates all credentials again and again.
async fn credentials(client: Arc<Client>, identities: Vec<Identity>) {
    for (number, identity) in identities.iter().enumerate() {
        client.create_secret(manifests::credentials(number, identity)).await;
        client.create_store(manifests::store(number)).await;
        client.create_object(manifests::reading_from_store(number)).await;
    }
    let mut ticks = ticks(ANNOTATE / u32::try_from(identities.len()).unwrap_or(u32::MAX));
    for turn in 0_usize.. {
        ticks.tick().await;
        client.annotate_secret(&manifests::credentials_name(turn % identities.len()), turn).await;
    }
}

/// Creates Secrets that belong to nobody and objects that want them, and then annotates the Secrets again and again.
async fn foreign(client: Arc<Client>) {
    for number in 0..FOREIGN {
        client.create_secret(manifests::foreign(number)).await;
        client.create_object(manifests::merging(number)).await;
        client.create_object(manifests::taking(number)).await;
    }
    let mut ticks = ticks(TOUCH);
    for turn in 0_usize.. {
        ticks.tick().await;
        client.annotate_secret(&manifests::foreign_name(turn % FOREIGN), turn).await;
    }
}

/// Creates objects and deletes each a second later.
async fn churn(client: Arc<Client>) {
    let mut ticks = ticks(CHURN);
    for turn in 0_usize.. {
        ticks.tick().await;
        client.create_object(manifests::churning(turn)).await;
        if let Some(old) = turn.checked_sub(3) {
            client.delete_object(&manifests::churning_name(old)).await;
        }
    }
}

/// Changes the spec of objects.
async fn change(client: Arc<Client>) {
    for number in 0..CHANGING {
        client.create_object(manifests::changing(number, 0)).await;
    }
    let mut ticks = ticks(CHANGE);
    for turn in 0_usize.. {
        ticks.tick().await;
        client.change_object(&manifests::changing(turn % CHANGING, turn)).await;
    }
}

/// Ticks that are never closer than this, also after a delay.
fn ticks(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
