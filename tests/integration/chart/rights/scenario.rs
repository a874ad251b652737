//! What is done while a right is missing, and how it is taken away.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::wait::eventually;

use crate::chart::{FULLNAME, NAMESPACE, installation::Installation};
use crate::support::{PATIENCE, object};

/// A right of the ClusterRole: resource and verb.
pub type Right = (String, String);

/// What is done while the right is missing.
#[derive(Clone, Copy, Debug)]
pub enum Scenario {
    /// A new object reads a parameter.
    NewObject,
    /// A new object adds a key to a Secret of somebody else.
    Merge,
    /// An object that is in sync gets another target.
    Move,
    /// A new store.
    NewStore,
    /// A new store of the cluster.
    NewClusterStore,
}

/// All rights of the chart's ClusterRole.
pub async fn granted(world: &Installation) -> Result<BTreeSet<Right>> {
    let role = world.plane.kubectl(["get", "clusterrole", FULLNAME, "--output=json"]).await?;
    let role: Value = serde_json::from_str(&role)?;
    let list = |value: &Value| -> Result<Vec<String>> { Ok(serde_json::from_value(value.clone())?) };
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().context("rules")? {
        for resource in list(&rule["resources"])? {
            let group = rule["apiGroups"][0].as_str().context("a group")?;
            rights.extend(list(&rule["verbs"])?.into_iter().map(|verb| (format!("{group}/{resource}"), verb)));
        }
    }
    Ok(rights)
}

/// A ClusterRole with these rights.
pub fn role<'a>(name: &str, rights: impl Iterator<Item = &'a Right>) -> Value {
    let mut verbs: HashMap<&str, Vec<&str>> = HashMap::new();
    for (resource, verb) in rights {
        verbs.entry(resource).or_default().push(verb);
    }
    let rules = verbs.into_iter().map(|(resource, verbs)| {
        let (group, resource) = resource.split_once('/').unwrap_or_default();
        json!({"apiGroups": [group], "resources": [resource], "verbs": verbs})
    });
    let rules: Value = rules.collect();
    let metadata = json!({"name": name});
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules})
}

impl Installation {
    /// Runs a scenario without these rights, and waits until something is seen to be broken. Then it works again.
    pub async fn without(
        &self,
        rights: &[Right],
        granted: &BTreeSet<Right>,
        scenario: Scenario,
        broken: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<()> {
        let context = || format!("without {rights:?}");
        self.prepare(scenario).await?;
        self.take_away(rights, granted).await?;
        self.perform(scenario).await?;
        broken().await.with_context(context)?;
        self.give_back(rights, granted).await?;
        self.clean_up().await.with_context(context)
    }

    /// What has to exist before.
    async fn prepare(&self, scenario: Scenario) -> Result<()> {
        match scenario {
            Scenario::Move => {
                self.apply(&object("trial", &[("PASSWORD", "/shop/password")], &json!({}))).await?;
                self.secret_holds("trial", "first").await?;
                // What is to be deleted is what the status records.
                self.says("trial", "1 key").await.map(drop)
            }
            Scenario::Merge => {
                let metadata = json!({
                    "name": "theirs", "namespace": "shop", "annotations": {"secureparameter.io/allow": "merge"},
                });
                self.apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})).await
            }
            Scenario::NewObject | Scenario::NewStore | Scenario::NewClusterStore => Ok(()),
        }
    }

    async fn perform(&self, scenario: Scenario) -> Result<()> {
        let (kind, spec) = match scenario {
            Scenario::NewObject => (None, json!({})),
            Scenario::Merge => (None, json!({"target": {"name": "theirs", "creationPolicy": "Merge"}})),
            Scenario::Move => (None, json!({"target": {"name": "moved"}})),
            Scenario::NewStore => {
                (Some("ParameterStore"), json!({"identity": {"credentialsSecretRef": {"name": "none"}}}))
            }
            Scenario::NewClusterStore => (Some("ClusterParameterStore"), json!({})),
        };
        let Some(kind) = kind else {
            return self.apply(&object("trial", &[("PASSWORD", "/shop/password")], &spec)).await;
        };
        let metadata = json!({"name": "trial", "namespace": "shop"});
        let version = "secureparameter.io/v1alpha1";
        self.apply(&json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})).await
    }

    /// Deletes what scenarios create. That the object can go shows that its finalizer is removed again.
    async fn clean_up(&self) -> Result<()> {
        for what in ["secureparameter", "parameterstore", "clusterparameterstore"] {
            let delete = ["delete", what, "trial", "--namespace=shop", "--ignore-not-found", "--timeout=60s"];
            self.plane.kubectl(delete).await?;
        }
        eventually("the Secret to be deleted", PATIENCE, async || {
            let secrets = self.secrets();
            let is_gone = secrets.get_opt("trial").await?.is_none() && secrets.get_opt("moved").await?.is_none();
            Ok(is_gone.then_some(()))
        })
        .await
    }

    pub async fn take_away(&self, rights: &[Right], granted: &BTreeSet<Right>) -> Result<()> {
        self.apply(&role(FULLNAME, granted.iter().filter(|right| !rights.contains(right)))).await?;
        self.may(rights, "no").await
    }

    pub async fn give_back(&self, rights: &[Right], granted: &BTreeSet<Right>) -> Result<()> {
        self.apply(&role(FULLNAME, granted.iter())).await?;
        self.may(rights, "yes").await
    }

    /// Waits until the API server says whether the operator has these rights.
    async fn may(&self, rights: &[Right], expected: &str) -> Result<()> {
        for (resource, verb) in rights {
            let (group, resource) = resource.split_once('/').context("a resource")?;
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let attributes = json!({
                "group": group, "resource": resource, "subresource": subresource, "verb": verb, "namespace": "shop",
            });
            let user = format!("system:serviceaccount:{NAMESPACE}:{FULLNAME}");
            let review = json!({
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {"user": user, "resourceAttributes": attributes},
            });
            eventually(&format!("the answer {expected} for {verb} {resource}"), PATIENCE, async || {
                let create = ["create", "-f", "-", "--output=jsonpath={.status.allowed}"];
                let allowed = self.plane.kubectl_stdin(create, &review.to_string()).await?;
                Ok(((allowed == "true") == (expected == "yes")).then_some(()))
            })
            .await?;
        }
        Ok(())
    }
}
