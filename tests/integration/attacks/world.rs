//! Tenants A and B, the operator with the chart's rights and policies, and what may never be found at A.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use axum::http::Method;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use kube::Client;
use serde_json::{Value, json};
use testbed::{
    control_plane::ControlPlane,
    fake_aws::{FakeAws, Identity},
    wait::eventually,
};

use super::{
    api::{A, B, apply, create, manifest, request, secret_of, within},
    fixtures::{self, CANARY, stores},
};
use crate::support::{
    Operator, PATIENCE,
    chart::{NAMESPACE, fence},
    definitions, object, store,
};

/// Part of the names of all parameters with such values, which no honest object reads.
const VAULT: &str = "vault";
/// Name of a Secret that only the platform team knows.
const HIDDEN: &str = "hidden-keys";
/// The switch that turns off the operator's own check, in programs with debug assertions.
pub const UNCHECKED: &str = "SECUREPARAMETER_TEST_UNCHECKED_ACCESS";

/// Two tenants and all that they share.
pub struct Tenants {
    pub aws: FakeAws,
    /// The attacker's client: a ServiceAccount with the role `edit` in its namespace.
    pub tenant: Client,
    pub admin: Client,
    /// Keys of a user of AWS who may read what belongs to A.
    pub keys: Identity,
    /// Keys of a user of AWS who may read what belongs to B.
    pub keys_of_b: Identity,
    /// Texts that must not be found at A.
    secret_texts: Vec<String>,
    operator: Option<Operator>,
    kubeconfig: PathBuf,
    runs: usize,
    // Ends last.
    plane: ControlPlane,
}

impl Tenants {
    /// Starts a control plane with tenants, stores and parameters, but without an operator.
    pub async fn start() -> Result<Self> {
        let (plane, aws) = (ControlPlane::start_with_crds(&definitions()?).await?, FakeAws::start().await?);
        let admin = plane.client().await?;
        let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        for name in [A, B, "a-b"] {
            apply(&admin, &namespace(name)).await?;
        }
        let kubeconfig = fence(&plane, &["--set=rbac.aggregate=true", &fixtures::service_account_tokens()]).await?;
        for object in fixtures::bound_to_edit() {
            apply(&admin, &object).await?;
        }
        let tenant = plane.client_with_token(&plane.service_account_token(A, "tenant").await?).await?;
        let (keys, keys_of_b) = fixtures::add_identities(&aws, plane.token_verifier()?);
        fixtures::add_parameters(&aws);
        let operator = aws.default_identity();
        let mut secret_texts = vec![CANARY.to_owned(), keys_of_b.secret_access_key.clone(), operator.secret_access_key];
        secret_texts.extend(operator.session_token);
        let world =
            Self { aws, tenant, admin, keys, keys_of_b, secret_texts, operator: None, kubeconfig, runs: 0, plane };
        world.set_up().await?;
        Ok(world)
    }

    /// Creates what the platform team and B own, and what A owns honestly.
    async fn set_up(&self) -> Result<()> {
        for store in stores(&json!({}), true) {
            apply(&self.admin, &store).await?;
        }
        let unready = json!({"identity": {"credentialsSecretRef": {"namespace": "default", "name": HIDDEN}}});
        apply(&self.admin, &store("unready", &unready)).await?;
        for (namespace, keys) in [(A, &self.keys), (B, &self.keys_of_b)] {
            let name = if namespace == A { "keys" } else { "keys-of-b" };
            let mut secret = secret_of(name, &keys.access_key_id, &keys.secret_access_key);
            secret["metadata"]["namespace"] = json!(namespace);
            apply(&self.admin, &secret).await?;
            // Both have the same name.
            let spec = json!({"identity": {"credentialsSecretRef": {"name": name}}});
            apply(&self.admin, &within(manifest("ParameterStore", "own", &spec), namespace)).await?;
            let honest = object("honest", &[("PASSWORD", &format!("/{namespace}/password"))], &json!({}));
            apply(&self.admin, &within(honest, namespace)).await?;
        }
        let of_b = json!({"name": "of-b", "namespace": B});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": of_b, "stringData": {"KEY": CANARY}});
        apply(&self.admin, &secret).await?;
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "namespace": B}});
        apply(&self.admin, &account).await?;
        let account_of_a =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "trial", "namespace": A}});
        let trial = manifest("SecureParameter", "trial", &json!({"suspend": true, "data": []}));
        // The API server takes a moment to know of bindings, and of roles that the cluster puts together.
        eventually("the rights of A", PATIENCE, async || {
            let accounts = self.as_tenant(&account_of_a).await.is_ok();
            let objects = !matches!(self.as_tenant(&trial).await, Err(kube::Error::Api(status)) if status.code == 403);
            Ok((accounts && objects).then_some(()))
        })
        .await
    }

    /// Has all cluster stores read in sessions that AWS limits to what they grant.
    pub async fn limit_sessions(&self) -> Result<()> {
        // A session policy cannot say which key encrypts a parameter: the rule with keys is the operator's alone.
        let role = fixtures::role("limited");
        let identity = json!({"identity": {"assumeRoles": [{"roleARN": role}], "sessionPolicy": "FromAccess"}});
        for store in stores(&identity, false) {
            apply(&self.admin, &store).await?;
        }
        Ok(())
    }

    /// Starts the operator as its ServiceAccount, with more variables, and waits until it is ready.
    pub async fn start_operator(&mut self, variables: &[(&str, &str)]) -> Result<()> {
        self.runs += 1;
        let mut environment = self.aws.environment();
        environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let arguments = ["--cluster-name=test", "--max-paths-per-namespace=8", "--lease-namespace", NAMESPACE];
        let operator = Operator::start(&self.kubeconfig, &environment, &arguments, self.plane.folder(), self.runs)?;
        operator.ready().await?;
        self.operator = Some(operator);
        Ok(())
    }

    /// Stops the operator as Kubernetes would.
    pub fn stop_operator(&mut self) -> Result<()> {
        let operator = self.operator.take().context("no operator")?;
        operator.process().signal("TERM")?;
        let status = operator.process().wait(PATIENCE)?;
        ensure!(status.success(), "the operator ended with {status}");
        Ok(())
    }

    fn operator(&self) -> Result<&Operator> {
        self.operator.as_ref().context("no operator")
    }

    /// Creates or changes an object as A.
    pub async fn as_tenant(&self, object: &Value) -> Result<Value, kube::Error> {
        create(&self.tenant, object).await
    }

    /// Gets what is at a path of the API.
    pub async fn get(&self, client: &Client, path: &str) -> Result<Value> {
        Ok(client.request(request(&Method::GET, path, &Value::Null)).await?)
    }

    /// The values of a Secret as text.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Vec<(String, String)>> {
        let secret = self.get(&self.admin, &format!("/api/v1/namespaces/{namespace}/secrets/{name}")).await?;
        values(&secret)
    }

    /// Checks that the objects of both tenants follow their parameters.
    pub async fn serves_honest_objects(&self, value: &str) -> Result<()> {
        for namespace in [A, B] {
            self.aws.put(&format!("/{namespace}/password"), value);
        }
        for namespace in [A, B] {
            let expected = [("PASSWORD".to_owned(), value.to_owned())];
            eventually(&format!("{value} in namespace {namespace}"), PATIENCE, async || {
                Ok((self.secret(namespace, "honest").await? == expected).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// Checks that nothing of B or of the operator is found where A can see it, nor in what the operator wrote, and that AWS was
    /// not even asked to decrypt it.
    pub async fn nothing_was_obtained(&self) -> Result<()> {
        let lists = [
            "/api/v1/namespaces/a/secrets",
            "/api/v1/namespaces/a/events",
            "/apis/secureparameter.io/v1alpha1/namespaces/a/secureparameters",
            "/apis/secureparameter.io/v1alpha1/namespaces/a/parameterstores",
        ];
        for list in lists {
            for item in self.get(&self.admin, list).await?["items"].as_array().context("items")? {
                self.holds_nothing_secret(&format!("{item} {:?}", values(item)?))?;
                ensure!(!item.to_string().contains(HIDDEN), "{HIDDEN} in {item}");
            }
        }
        let operator = self.operator()?;
        self.holds_nothing_secret(&operator.log()?).context("in the log")?;
        let metrics = operator.get("/metrics").await?.1;
        self.holds_nothing_secret(&metrics).context("in the metrics")?;
        ensure!(!metrics.contains("/b/"), "a name of B in the metrics: {metrics}");
        let audit = operator.audit()?;
        self.holds_nothing_secret(&json!(audit).to_string()).context("in the audit stream")?;
        audit.iter().try_for_each(|record| self.is_honest(record))?;
        self.aws.records().iter().filter(|record| record.get("errorCode").is_none()).try_for_each(is_harmless)
    }

    fn holds_nothing_secret(&self, text: &str) -> Result<()> {
        ensure!(!self.secret_texts.iter().any(|secret| text.contains(secret)), "{text}");
        Ok(())
    }

    /// Checks an audit record: on behalf of A, only what belongs to A is decrypted, and its stores never call as the operator.
    fn is_honest(&self, record: &Value) -> Result<()> {
        let call = &record["cloudtrail"];
        let (of_a, of_others): (Vec<_>, Vec<_>) =
            record["objects"].as_array().into_iter().flatten().partition(|object| object["namespace"] == A);
        if of_a.is_empty() || call.is_null() {
            return Ok(());
        }
        let is_of_store = of_a.iter().any(|object| object["kind"] == "ParameterStore");
        let is_operator = call["userIdentity"]["arn"] == self.aws.default_identity().arn.as_str();
        ensure!(!(is_of_store && is_operator), "a store of A called as the operator: {record}");
        let is_decrypted = call["requestParameters"]["withDecryption"] == true && call.get("errorCode").is_none();
        // One call reads for several namespaces.
        let is_expected = |name: &str| name.starts_with("/a/") || (name == "/b/password" && !of_others.is_empty());
        let mut names = call["requestParameters"]["names"].as_array().into_iter().flatten();
        ensure!(!is_decrypted || names.all(|name| name.as_str().is_some_and(is_expected)), "decrypted for A: {record}");
        Ok(())
    }
}

/// Checks a call that AWS answered: it decrypted nothing that only an attacker reads, listed nothing that is not A's, and
/// started no session of others.
fn is_harmless(record: &Value) -> Result<()> {
    let request = &record["requestParameters"];
    let mut names = request["names"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let asks = request["withDecryption"] == true && names.any(|name| name.contains(VAULT) && !name.starts_with("/a/"));
    // Parameter Store decrypts with the ARN of the parameter as context.
    let decrypts = record["eventName"] == "Decrypt" && record.to_string().contains(VAULT);
    ensure!(!asks && !decrypts, "decrypted: {record}");
    let path = request["path"].as_str().unwrap_or("/a");
    ensure!(path == "/a" || path.starts_with("/a/"), "listed: {record}");
    let role = request["roleArn"].as_str().unwrap_or_default();
    ensure!(!fixtures::FOREIGN_ROLES.iter().any(|name| role == fixtures::role(name)), "a session: {record}");
    Ok(())
}

/// The values of a Secret, decoded; none of other objects.
fn values(secret: &Value) -> Result<Vec<(String, String)>> {
    let data = secret["data"].as_object().into_iter().flatten();
    data.map(|(key, value)| {
        let bytes = BASE64.decode(value.as_str().context("text")?)?;
        Ok((key.clone(), String::from_utf8_lossy(&bytes).into_owned()))
    })
    .collect()
}
