//! A run with successes, missing parameters, denials, unusable keys, throttling, failures of AWS and of the network,
//! polling, a rotation, a forced sync, and stores with credentials of their own.

use std::collections::BTreeMap;

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::{Value, json};
use testbed::fake_aws::{DEFAULT_ACCOUNT, FakeAws, Fault, Identity, KeyState, ParameterType, PutOptions};

use crate::support::{World, object, store};

/// Offset of the clock of AWS, in seconds. Records must show the time of AWS.
const CLOCK_OFFSET: i64 = -90;
/// More parameters than one call takes.
const MANY: usize = 12;
/// Objects with the status and reason that they reach.
const ENDS: &[(&str, &str, &str)] = &[
    ("good", "True", "Synced"),
    ("pinned", "True", "Synced"),
    ("many", "True", "Synced"),
    ("tenant", "True", "Synced"),
    ("missing", "False", "ParameterNotFound"),
    ("outdated", "False", "VersionNotFound"),
    ("denied", "False", "AccessDenied"),
    ("locked", "False", "DecryptDenied"),
    ("broken", "False", "KeyUnavailable"),
    ("opaque", "False", "KeyUnavailable"),
];

/// The results of the run. The operator has ended, so nothing changes any more.
pub struct Run {
    /// The world without its operator.
    pub world: World,
    /// The operator's audit stream.
    pub audit: Vec<Value>,
    /// The records of AWS.
    pub trail: Vec<Value>,
}

impl Run {
    /// Audit records of AWS calls.
    pub fn calls(&self) -> impl Iterator<Item = &Value> {
        self.audit.iter().filter(|record| record.get("cloudtrail").is_some())
    }

    /// Audit records of writes of Secrets.
    pub fn writes(&self) -> impl Iterator<Item = &Value> {
        self.audit.iter().filter(|record| record.get("secretWrite").is_some())
    }
}

/// Runs everything.
pub async fn run() -> Result<Run> {
    let mut world = World::without_operator().await?;
    world.aws.set_clock_offset(CLOCK_OFFSET);
    put_parameters(&world.aws);
    create_identities(&world).await?;
    world.start_operator().await?;
    plan_faults(&world.aws);
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": manifests()})).await?;
    for (name, status, reason) in ENDS {
        world.wait_for(name, status, reason).await?;
    }
    // The first call of one of the stores fails.
    world.wait_for_store("platform", "Synced").await?;
    world.wait_for_store("wrong", "CredentialsInvalid").await?;
    force_sync(&world).await?;
    world.aws.put("/shop/db", "second");
    world.wait_for_secret("good", &[("DB", "second"), ("FLAG", "on")]).await?;
    let operator = world.stop_operator()?;
    let (audit, trail) = (operator.audit()?, world.aws.records());
    Ok(Run { world, audit, trail })
}

fn put_parameters(aws: &FakeAws) {
    let keyed = |alias: &str| PutOptions { key: Some(format!("alias/{alias}")), ..PutOptions::default() };
    aws.put("/shop/db", "first");
    aws.put_with("/shop/flag", "on", PutOptions { kind: ParameterType::String, ..PutOptions::default() });
    aws.put("/shop/denied", "hidden");
    for number in 0..MANY {
        aws.put(&format!("/shop/many/{number}"), "one of many");
    }
    let [locked, broken, opaque] = ["locked", "broken", "opaque"].map(|name| {
        let key = aws.create_key(name);
        aws.put_with(&format!("/shop/{name}"), "hidden", keyed(name));
        key
    });
    aws.set_key_state(&broken, KeyState::PendingDeletion);
    aws.set_key_state(&opaque, KeyState::Disabled);
    aws.deny("ssm:GetParameters", &aws.parameter_arn("/shop/denied"));
    aws.deny("kms:Decrypt", &locked);
    aws.deny("kms:DescribeKey", &opaque);
}

/// A tenant with good credentials, and one whose secret key is wrong.
async fn create_identities(world: &World) -> Result<()> {
    let known = Identity::user(DEFAULT_ACCOUNT, "tenant");
    let right = Identity::user(DEFAULT_ACCOUNT, "wrong");
    world.aws.add_identity(known.clone());
    world.aws.add_identity(right.clone());
    let wrong = Identity { secret_access_key: "mistaken".to_owned(), ..right };
    for (name, identity) in [("tenant", &known), ("wrong", &wrong)] {
        let data = BTreeMap::from([
            ("access-key-id".to_owned(), identity.access_key_id.clone()),
            ("secret-access-key".to_owned(), identity.secret_access_key.clone()),
        ]);
        let mut secret = Secret { string_data: Some(data), ..Secret::default() };
        secret.metadata.name = Some(format!("{name}-credentials"));
        world.api::<Secret>().create(&PostParams::default(), &secret).await?;
    }
    Ok(())
}

/// Each fault hits one of the first calls.
fn plan_faults(aws: &FakeAws) {
    for fault in [Fault::Throttle, Fault::Internal, Fault::Unavailable, Fault::Reset, Fault::Malformed] {
        aws.fault("GetParameters", fault, 1);
    }
    aws.fault("GetCallerIdentity", Fault::Internal, 1);
}

fn manifests() -> Vec<Value> {
    let simple = |name: &str, parameter: &str| object(name, &[("VALUE", parameter)], &json!({}));
    let version = |name: &str, version: i64| {
        let data = json!([{"key": "VALUE", "parameter": "/shop/db", "version": version}]);
        object(name, &[], &json!({"data": data}))
    };
    let many: Vec<_> =
        (0..MANY).map(|n| json!({"key": format!("KEY_{n}"), "parameter": format!("/shop/many/{n}")})).collect();
    let credentials = |secret: &str| json!({"credentialsSecretRef": {"namespace": "shop", "name": secret}});
    vec![
        object("good", &[("DB", "/shop/db"), ("FLAG", "/shop/flag")], &json!({"target": {"name": "good"}})),
        version("pinned", 1),
        object("many", &[], &json!({"data": many, "target": {"name": "many-values"}})),
        object("tenant", &[("VALUE", "/shop/db")], &json!({"storeRef": {"kind": "ParameterStore", "name": "own"}})),
        simple("missing", "/shop/none"),
        version("outdated", 99),
        simple("denied", "/shop/denied"),
        simple("locked", "/shop/locked"),
        simple("broken", "/shop/broken"),
        simple("opaque", "/shop/opaque"),
        json!({
            "apiVersion": "secureparameter.io/v1alpha1",
            "kind": "ParameterStore",
            "metadata": {"name": "own", "namespace": "shop"},
            "spec": {"identity": {"credentialsSecretRef": {"name": "tenant-credentials"}}},
        }),
        store("platform", &json!({"identity": credentials("tenant-credentials")})),
        store("wrong", &json!({"identity": credentials("wrong-credentials")})),
    ]
}

async fn force_sync(world: &World) -> Result<()> {
    let annotation = "secureparameter.io/sync=once";
    world.plane.kubectl(["annotate", "--namespace", "shop", "secureparameter", "good", annotation]).await?;
    let handled = world.wait_until("good", "the forced sync to be done", |object| {
        object.status.as_ref().and_then(|status| status.last_handled_sync.as_deref()) == Some("once")
    });
    handled.await.map(drop)
}
