//! One test's world: a control plane with our definitions, an AWS, an operator, a store and a namespace.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    api::{core::v1::Secret, events::v1::Event},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use secure_parameter_operator::api::{ClusterParameterStore, Condition, SecureParameter, check_kstatus, crds};
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, fake_aws::FakeAws, wait::eventually};

use super::Operator;

/// How long anything may take. Generous: machines are slow when all tests run at once.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Everything that one test needs, for itself alone.
pub struct World {
    /// The fake AWS; tests that use moto leave it idle.
    pub aws: FakeAws,
    /// The control plane.
    pub plane: ControlPlane,
    /// An administrator's client.
    pub client: Client,
    /// The operator. `None` while it is stopped.
    pub operator: Option<Operator>,
    environment: Vec<(String, String)>,
    arguments: Vec<&'static str>,
    runs: usize,
}

/// The definitions, as they are installed.
pub fn definitions() -> Result<Vec<CustomResourceDefinition>> {
    crds().into_iter().map(|(_, definition)| Ok(serde_json::from_value(definition)?)).collect()
}

impl World {
    /// A world whose operator runs against the fake AWS, with a store `default` that grants `/{namespace}/**` and a
    /// namespace `shop`.
    pub async fn start() -> Result<Self> {
        let mut world = Self::without_operator().await?;
        world.start_operator().await?;
        Ok(world)
    }

    /// The same, with the operator still to be started.
    pub async fn without_operator() -> Result<Self> {
        let plane = ControlPlane::start_with_crds(&definitions()?).await?;
        let aws = FakeAws::start().await?;
        let client = plane.client().await?;
        let environment = aws.environment();
        let world = Self { aws, plane, client, operator: None, environment, arguments: Vec::new(), runs: 0 };
        world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await?;
        world.apply(&store("default", &json!({}))).await?;
        Ok(world)
    }

    /// Sets variables for operators to come: replaces those of the same name.
    pub fn set_environment(&mut self, variables: &[(String, String)]) {
        self.environment.retain(|(name, _)| variables.iter().all(|(other, _)| other != name));
        self.environment.extend_from_slice(variables);
    }

    /// Removes variables for operators to come.
    pub fn unset_environment(&mut self, names: &[&str]) {
        self.environment.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// Sets arguments for operators to come.
    pub fn set_arguments(&mut self, arguments: &[&'static str]) {
        self.arguments = arguments.to_vec();
    }

    /// Starts the operator and waits until it is ready.
    pub async fn start_operator(&mut self) -> Result<()> {
        self.launch_operator()?;
        self.operator().ready().await
    }

    /// Starts the operator.
    pub fn launch_operator(&mut self) -> Result<()> {
        self.runs += 1;
        let operator = Operator::start(
            self.plane.kubeconfig(),
            &self.environment,
            &self.arguments,
            self.plane.folder(),
            self.runs,
        )?;
        self.operator = Some(operator);
        Ok(())
    }

    /// Stops the operator as Kubernetes would, and insists that it ends cleanly.
    pub fn stop_operator(&mut self) -> Result<Operator> {
        let mut operator = self.operator.take().context("no operator")?;
        operator.process().signal("TERM")?;
        let status = operator.process().wait(Duration::from_secs(10))?;
        ensure!(status.success(), "the operator ended with {status}");
        Ok(operator)
    }

    /// The running operator.
    pub fn operator(&self) -> &Operator {
        self.operator.as_ref().expect("a running operator")
    }

    /// Applies a manifest as a user would.
    pub async fn apply(&self, manifest: &Value) -> Result<()> {
        self.plane.kubectl_stdin(["apply", "-f", "-"], &manifest.to_string()).await.map(drop)
    }

    /// The API of objects in namespace `shop`.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "shop")
    }

    /// Waits until the object's Ready condition has this status and reason for its newest generation; checks the rules
    /// of kstatus on the way.
    pub async fn wait_for(&self, name: &str, status: &str, reason: &str) -> Result<SecureParameter> {
        let api = self.api::<SecureParameter>();
        let mut last = String::new();
        let waited = eventually(&format!("{name} to be {status} {reason}"), PATIENCE, async || {
            let object = api.get(name).await?;
            let shown = object.status.clone().unwrap_or_default();
            let ready = shown.conditions.iter().find(|condition| condition.type_ == "Ready");
            last = format!("{ready:?}");
            let matches = ready.is_some_and(|ready| is(ready, status, reason));
            Ok((matches && shown.observed_generation == object.metadata.generation).then_some(object))
        })
        .await;
        let object = waited.with_context(|| format!("last seen: {last}"))?;
        let conditions = &object.status.as_ref().context("no status")?.conditions;
        check_kstatus(conditions, object.metadata.generation).map_err(anyhow::Error::msg)?;
        Ok(object)
    }

    /// Waits until the object is Ready and in sync.
    pub async fn synced(&self, name: &str) -> Result<SecureParameter> {
        self.wait_for(name, "True", "Synced").await
    }

    /// Waits until there is nothing left to do: all objects are in sync and show the keys of their parameters.
    pub async fn settled(&self) -> Result<()> {
        let api = self.api::<SecureParameter>();
        let is_settled = |object: &SecureParameter| {
            let status = object.status.as_ref().filter(|status| status.source_revision().is_some());
            status.is_some_and(|status| status.parameters.iter().all(|parameter| parameter.key_arn.is_some()))
        };
        eventually("all objects to be in sync and to know their keys", PATIENCE, async || {
            Ok(api.list(&ListParams::default()).await?.iter().all(is_settled).then_some(()))
        })
        .await
    }

    /// Waits until the last write of an object's Secret is reported: in its status, and by an Event of the last access.
    pub async fn reported(&self, name: &str) -> Result<SecureParameter> {
        let what = format!("what was written for {name} to be reported");
        eventually(&what, PATIENCE, async || {
            let object = self.api::<SecureParameter>().get(name).await?;
            let status = object.status.clone().unwrap_or_default();
            let Some((secret, access)) = status.written_secret().zip(status.last_access) else { return Ok(None) };
            let version = self.api::<Secret>().get_metadata(&secret.name).await?.resource_version();
            let id = access.request_id.unwrap_or_default();
            let is_told = |event: &Event| event.note.as_ref().is_some_and(|note| note.contains(&id));
            let told = self.events(name).await?.iter().any(is_told);
            Ok((version.as_deref() == Some(&secret.resource_version) && told).then_some(object))
        })
        .await
    }

    /// Resource versions of all objects, Secrets and Events of namespace `shop`: whatever is written changes them.
    pub async fn versions(&self) -> Result<BTreeMap<String, Option<String>>> {
        let everything = ListParams::default();
        let objects = self.api::<SecureParameter>().list_metadata(&everything).await?.items;
        let secrets = self.api::<Secret>().list_metadata(&everything).await?.items;
        let events = self.api::<Event>().list_metadata(&everything).await?.items;
        let entry = |kind: &str, meta: &ObjectMeta| {
            (format!("{kind}/{}", meta.name.as_deref().unwrap_or_default()), meta.resource_version.clone())
        };
        let objects = objects.iter().map(|object| entry("object", &object.metadata));
        let secrets = secrets.iter().map(|secret| entry("secret", &secret.metadata));
        Ok(objects.chain(secrets).chain(events.iter().map(|event| entry("event", &event.metadata))).collect())
    }

    /// Waits until a cluster store's Ready condition has this reason; answers with its message.
    pub async fn wait_for_store(&self, name: &str, reason: &str) -> Result<String> {
        let stores: Api<ClusterParameterStore> = Api::all(self.client.clone());
        eventually(&format!("store {name} to be {reason}"), PATIENCE, async || {
            let conditions = stores.get(name).await?.status.unwrap_or_default().conditions;
            let ready =
                conditions.into_iter().find(|condition| condition.type_ == "Ready" && condition.reason == reason);
            Ok(ready.map(|ready| ready.message))
        })
        .await
    }

    /// The data of a Secret as text; `None` if there is no such Secret.
    pub async fn secret(&self, name: &str) -> Result<Option<BTreeMap<String, String>>> {
        let secret = self.api::<Secret>().get_opt(name).await?;
        Ok(secret.map(|secret| {
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, text(value.0))).collect()
        }))
    }

    /// Waits until a Secret holds exactly these keys and values.
    pub async fn wait_for_secret(&self, name: &str, expected: &[(&str, &str)]) -> Result<()> {
        let expected: BTreeMap<_, _> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        eventually(&format!("Secret {name} to hold what it should"), PATIENCE, async || {
            Ok((self.secret(name).await?.as_ref() == Some(&expected)).then_some(()))
        })
        .await
    }

    /// Waits until something of an object's holds.
    pub async fn wait_until(
        &self,
        name: &str,
        what: &str,
        holds: impl Fn(&SecureParameter) -> bool,
    ) -> Result<SecureParameter> {
        let api = self.api::<SecureParameter>();
        eventually(what, PATIENCE, async || Ok(Some(api.get(name).await?).filter(|object| holds(object)))).await
    }

    /// The Events on an object.
    pub async fn events(&self, name: &str) -> Result<Vec<Event>> {
        let fields = format!("regarding.name={name}");
        Ok(self.api::<Event>().list(&ListParams::default().fields(&fields)).await?.items)
    }

    /// Waits for an Event with this reason on an object that is none of `known`.
    pub async fn event(&self, name: &str, reason: &str, known: &[Event]) -> Result<Event> {
        let known: Vec<_> = known.iter().map(ResourceExt::name_any).collect();
        eventually(&format!("an Event {reason} on {name}"), PATIENCE, async || {
            let mut events = self.events(name).await?.into_iter();
            Ok(events.find(|event| event.reason.as_deref() == Some(reason) && !known.contains(&event.name_any())))
        })
        .await
    }
}

/// The message of an object's Ready condition.
pub fn message(object: &SecureParameter) -> &str {
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    conditions.iter().find(|c| c.type_ == "Ready").map(|c| c.message.as_str()).unwrap_or_default()
}

fn is(condition: &Condition, status: &str, reason: &str) -> bool {
    format!("{:?}", condition.status) == status && condition.reason == reason
}

/// A cluster store that grants every namespace what is below its name, with more of its spec from `spec`.
pub fn store(name: &str, spec: &Value) -> Value {
    let mut manifest = json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "ClusterParameterStore",
        "metadata": {"name": name},
        "spec": {"access": [{"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"]}]},
    });
    merge(&mut manifest["spec"], spec);
    manifest
}

/// A `SecureParameter` in namespace `shop` with these keys and parameters, polled every ten seconds, with more of its
/// spec from `spec`.
pub fn object(name: &str, data: &[(&str, &str)], spec: &Value) -> Value {
    let entries: Vec<_> = data.iter().map(|(key, parameter)| json!({"key": key, "parameter": parameter})).collect();
    let mut manifest = json!({
        "apiVersion": "secureparameter.io/v1alpha1",
        "kind": "SecureParameter",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"refreshInterval": "10s", "data": entries},
    });
    merge(&mut manifest["spec"], spec);
    manifest
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        into[key] = value.clone();
    }
}
