//! A control plane with our definitions, a fake AWS, an operator, a store and a namespace.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::{
    api::{core::v1::Secret, events::v1::Event},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use secure_parameter_operator::api::{ClusterParameterStore, SecureParameter, crds};
use serde_json::{Value, json};
use testbed::{control_plane::ControlPlane, fake_aws::FakeAws, wait::eventually};

use super::{
    Operator, check_kstatus, has_ready, object, ready,
    shared::{Group, Shared},
    store,
};

/// Longest time that anything may take. It is generous because the machine is slow while all tests run.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Longest time from SIGTERM to the end of the operator: the sixteen seconds that it promises, and some for a slow
/// machine.
const SHUTDOWN: Duration = Duration::from_secs(25);

/// What one test sees. [`World::start`] makes everything in it for one test alone; [`World::shared`] makes only the
/// namespace and the client, and shares the rest with the other tests of a group.
pub struct World {
    /// The fake AWS. Tests with moto leave it idle.
    pub aws: FakeAws,
    /// The control plane.
    pub plane: Arc<ControlPlane>,
    /// An administrator's client. It belongs to the runtime of the test.
    pub client: Client,
    /// The operator. `None` while it is stopped.
    pub operator: Option<Arc<Operator>>,
    /// Namespace of the test's objects.
    pub namespace: String,
    environment: Vec<(String, String)>,
    arguments: Vec<&'static str>,
    runs: usize,
}

/// Our CustomResourceDefinitions.
pub fn definitions() -> Result<Vec<CustomResourceDefinition>> {
    crds().into_iter().map(|(_, definition)| Ok(serde_json::from_value(definition)?)).collect()
}

impl World {
    /// Starts a control plane, a fake AWS and an operator for one test, with a store `default` that grants
    /// `/{namespace}/**` and the namespace `shop`.
    pub async fn start() -> Result<Self> {
        let mut world = Self::without_operator().await?;
        world.start_operator().await?;
        Ok(world)
    }

    /// Like [`World::start`], but does not start the operator yet.
    pub async fn without_operator() -> Result<Self> {
        Self::with_api_server(&[]).await
    }

    /// Like [`World::without_operator`], with further arguments of the API server.
    pub async fn with_api_server(arguments: &[&str]) -> Result<Self> {
        let plane = Arc::new(ControlPlane::start_with(&definitions()?, arguments).await?);
        let aws = FakeAws::start().await?;
        let client = plane.client().await?;
        let environment = aws.environment();
        let namespace = "shop".to_owned();
        let world = Self { aws, plane, client, operator: None, namespace, environment, arguments: Vec::new(), runs: 0 };
        world.create_namespace().await?;
        world.apply(&store("default", &json!({}))).await?;
        Ok(world)
    }

    /// Joins the control plane, fake AWS and operator of a group, with a new namespace of this name. Only for tests that
    /// neither stop the operator, nor fault the whole of AWS, nor count all of its calls.
    pub async fn shared(group: Group, namespace: &str) -> Result<Self> {
        let Shared { plane, aws, operator } = Shared::of(group).await?.clone();
        let client = plane.client().await?;
        let world = Self {
            aws,
            plane,
            client,
            operator: Some(operator),
            namespace: namespace.to_owned(),
            environment: Vec::new(),
            arguments: Vec::new(),
            runs: 0,
        };
        world.create_namespace().await?;
        Ok(world)
    }

    async fn create_namespace(&self) -> Result<()> {
        let metadata = json!({"name": self.namespace});
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})).await
    }

    /// Sets environment variables of operators that are started from now on.
    pub fn set_environment(&mut self, variables: &[(String, String)]) {
        self.environment.retain(|(name, _)| variables.iter().all(|(other, _)| other != name));
        self.environment.extend_from_slice(variables);
    }

    /// Removes environment variables of operators that are started from now on.
    pub fn unset_environment(&mut self, names: &[&str]) {
        self.environment.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// Sets the arguments of operators that are started from now on.
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
        self.operator = Some(Arc::new(operator));
        Ok(())
    }

    /// Stops the operator as Kubernetes would, and fails unless it exits with success. Returns what it left: its log and
    /// its audit records.
    pub fn stop_operator(&mut self) -> Result<Arc<Operator>> {
        let operator = self.operator.take().context("no operator")?;
        ensure!(Arc::strong_count(&operator) == 1, "other tests share this operator");
        operator.process().signal("TERM")?;
        let ended = operator.process().wait(SHUTDOWN);
        let status = ended.with_context(|| operator.log().unwrap_or_default())?;
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

    /// A `SecureParameter` in the namespace of this world; see [`object`].
    pub fn object(&self, name: &str, data: &[(&str, &str)], spec: &Value) -> Value {
        let mut manifest = object(name, data, spec);
        manifest["metadata"]["namespace"] = json!(self.namespace);
        manifest
    }

    /// The name of a parameter that this namespace may read: `/{namespace}/{name}`.
    pub fn path(&self, name: &str) -> String {
        format!("/{}/{name}", self.namespace)
    }

    /// The API of objects in the namespace of this world.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until the object's Ready condition has this status and reason for its newest generation, and checks that
    /// its conditions follow the rules of kstatus.
    pub async fn wait_for(&self, name: &str, status: &str, reason: &str) -> Result<SecureParameter> {
        let api = self.api::<SecureParameter>();
        let mut last = String::new();
        let waited = eventually(&format!("{name} to be {status} {reason}"), PATIENCE, async || {
            let object = api.get(name).await?;
            let condition = ready(&object);
            last = format!("{condition:?}");
            let matches = condition.is_some_and(|condition| has_ready(condition, status, reason));
            let observed = object.status.as_ref().and_then(|status| status.observed_generation);
            Ok((matches && observed == object.metadata.generation).then_some(object))
        })
        .await;
        let object = waited.with_context(|| format!("last seen: {last}"))?;
        let conditions = &object.status.as_ref().context("no status")?.conditions;
        check_kstatus(conditions, object.metadata.generation)?;
        Ok(object)
    }

    /// Waits until the object is Ready and in sync.
    pub async fn synced(&self, name: &str) -> Result<SecureParameter> {
        self.wait_for(name, "True", "Synced").await
    }

    /// Waits until nothing is left to do: all objects are in sync and their status names the keys of their parameters.
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

    /// Waits until the last write of an object's Secret is reported, in its status and by an Event of the last access.
    pub async fn reported(&self, name: &str) -> Result<SecureParameter> {
        let what = format!("what was written for {name} to be reported");
        eventually(&what, PATIENCE, async || {
            let object = self.api::<SecureParameter>().get(name).await?;
            let status = object.status.clone().unwrap_or_default();
            let Some((secret, access)) = status.written_secret().zip(status.last_access.clone()) else {
                return Ok(None);
            };
            let version = self.api::<Secret>().get_metadata(&secret.name).await?.resource_version();
            let id = access.request_id.unwrap_or_default();
            let names_request = |event: &Event| event.note.as_ref().is_some_and(|note| note.contains(&id));
            let has_event = self.events(name).await?.iter().any(names_request);
            Ok((version.as_deref() == Some(&secret.resource_version) && has_event).then_some(object))
        })
        .await
    }

    /// Resource versions of all objects, Secrets and Events in the namespace. Every write changes one of them.
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

    /// Waits until a cluster store's Ready condition has this reason. Returns its message.
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

    /// The data of a Secret as text, or `None` if there is no such Secret.
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
        eventually(&format!("Secret {name} to hold the expected data"), PATIENCE, async || {
            Ok((self.secret(name).await?.as_ref() == Some(&expected)).then_some(()))
        })
        .await
    }

    /// Waits until `holds` is true of an object. `what` completes the sentence "timed out waiting for ...".
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

    /// Waits for an Event on an object with this reason that is not among `known`.
    pub async fn event(&self, name: &str, reason: &str, known: &[Event]) -> Result<Event> {
        let known: Vec<_> = known.iter().map(ResourceExt::name_any).collect();
        eventually(&format!("an Event {reason} on {name}"), PATIENCE, async || {
            let mut events = self.events(name).await?.into_iter();
            Ok(events.find(|event| event.reason.as_deref() == Some(reason) && !known.contains(&event.name_any())))
        })
        .await
    }
}
