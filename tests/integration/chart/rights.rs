//! Each right of the chart's ClusterRole is needed: without it, something fails that should work. That all of them together
//! are enough is shown by the test in `operator`.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use kube::Api;
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::{
    FULLNAME, NAMESPACE,
    installation::{Installation, account_kubeconfig},
};
use crate::support::{Operator, PATIENCE, object};

const VALUES: &[&str] = &[
    "--set=aws.region=eu-central-1,defaultStore.create=true,restart.enabled=true",
    r#"--set-json=defaultStore.spec={"access":[{"name":"own-paths","namespaces":{"from":"All"},"parameters":["/{namespace}/**"]}]}"#,
];

/// What shows that a right is missing.
#[derive(Clone, Copy, Debug)]
enum Breaks {
    /// The operator never learns of this resource, and says so in its log.
    Watch(&'static str),
    /// Object `trial` of this scenario says these words.
    Says(Scenario, &'static str),
    /// The log says these words.
    Logs(Scenario, &'static str),
    /// The metrics have this line.
    Metric(Scenario, &'static str),
    /// The condition Restarted of object `restarts` names this workload as one that the operator may not restart.
    Restart(&'static str),
}

/// What is done while the right is missing.
#[derive(Clone, Copy, Debug)]
enum Scenario {
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

/// Resource, verb, and what breaks without it.
const NEEDED: &[(&str, &str, Breaks)] = &[
    ("secureparameter.io/secureparameters", "list", Breaks::Watch("secureparameters")),
    ("secureparameter.io/secureparameters", "watch", Breaks::Watch("secureparameters")),
    ("secureparameter.io/parameterstores", "list", Breaks::Watch("parameterstores")),
    ("secureparameter.io/parameterstores", "watch", Breaks::Watch("parameterstores")),
    ("secureparameter.io/clusterparameterstores", "list", Breaks::Watch("clusterparameterstores")),
    ("secureparameter.io/clusterparameterstores", "watch", Breaks::Watch("clusterparameterstores")),
    ("/namespaces", "list", Breaks::Watch("namespaces")),
    ("/namespaces", "watch", Breaks::Watch("namespaces")),
    ("/secrets", "list", Breaks::Watch("secrets")),
    ("/secrets", "watch", Breaks::Watch("secrets")),
    ("/secrets", "get", Breaks::Says(Scenario::Merge, "cannot get resource")),
    ("/secrets", "create", Breaks::Says(Scenario::NewObject, "cannot create resource")),
    ("/secrets", "patch", Breaks::Says(Scenario::NewObject, "cannot patch resource")),
    ("/secrets", "delete", Breaks::Says(Scenario::Move, "cannot delete resource")),
    ("secureparameter.io/secureparameters", "patch", Breaks::Says(Scenario::Merge, "The finalizer of SecureParameter")),
    (
        "secureparameter.io/secureparameters/status",
        "patch",
        Breaks::Metric(Scenario::NewObject, r#"kind="SecureParameter",reason="StatusWriteFailed""#),
    ),
    (
        "secureparameter.io/parameterstores/status",
        "patch",
        Breaks::Metric(Scenario::NewStore, r#"kind="ParameterStore",reason="StatusWriteFailed""#),
    ),
    (
        "secureparameter.io/clusterparameterstores/status",
        "patch",
        Breaks::Metric(Scenario::NewClusterStore, r#"kind="ClusterParameterStore",reason="StatusWriteFailed""#),
    ),
    ("events.k8s.io/events", "create", Breaks::Logs(Scenario::NewObject, "could not create an Event")),
    ("apps/deployments", "get", Breaks::Restart("Deployment web")),
    ("apps/statefulsets", "get", Breaks::Restart("StatefulSet web")),
    ("apps/daemonsets", "get", Breaks::Restart("DaemonSet web")),
    ("argoproj.io/rollouts", "get", Breaks::Restart("Rollout web")),
    ("apps/deployments", "list", Breaks::Restart("Deployment by selector")),
    ("apps/statefulsets", "list", Breaks::Restart("StatefulSet by selector")),
    ("apps/daemonsets", "list", Breaks::Restart("DaemonSet by selector")),
    ("argoproj.io/rollouts", "list", Breaks::Restart("Rollout by selector")),
    ("apps/deployments", "patch", Breaks::Restart("Deployment web")),
    ("apps/statefulsets", "patch", Breaks::Restart("StatefulSet web")),
    ("apps/daemonsets", "patch", Breaks::Restart("DaemonSet web")),
    ("argoproj.io/rollouts", "patch", Breaks::Restart("Rollout web")),
];

/// A right of the ClusterRole: resource and verb.
type Right = (String, String);

#[tokio::test]
async fn without_any_one_right_something_breaks() -> Result<()> {
    let mut world = Installation::start(&["shop"], VALUES).await?;
    let granted = granted(&world).await?;
    let table: BTreeSet<Right> =
        NEEDED.iter().map(|(resource, verb, _)| ((*resource).to_owned(), (*verb).to_owned())).collect();
    assert_eq!(granted, table, "the table names every right of the chart");

    watches_say_what_is_missing(&mut world, &granted).await?;
    world.aws.put("/shop/password", "first");
    let operator = world.operator().await?;
    for (resource, verb, breaks) in NEEDED {
        let right = ((*resource).to_owned(), (*verb).to_owned());
        match *breaks {
            Breaks::Watch(_) | Breaks::Restart(_) => {}
            Breaks::Says(scenario, words) => {
                world
                    .without(&[right], &granted, scenario, async || world.says("trial", words).await.map(drop))
                    .await?;
            }
            Breaks::Logs(scenario, words) => {
                let logged = async || until(words, async || operator.log()).await;
                world.without(&[right], &granted, scenario, logged).await?;
            }
            Breaks::Metric(scenario, line) => {
                let counted = async || until(line, async || Ok(operator.get("/metrics").await?.1)).await;
                world.without(&[right], &granted, scenario, counted).await?;
            }
        }
    }
    restarts_are_refused(&world, &granted).await?;
    world.stop(&operator).map(drop)
}

/// Starts an operator without each of the rights that a watch needs, all at once.
async fn watches_say_what_is_missing(world: &mut Installation, granted: &BTreeSet<Right>) -> Result<()> {
    let mut operators: Vec<(Operator, &str)> = Vec::new();
    for (resource, verb, breaks) in NEEDED {
        let Breaks::Watch(name) = *breaks else { continue };
        let account = format!("without-{verb}-{name}");
        world.plane.kubectl(["create", "serviceaccount", &account, "--namespace", NAMESPACE]).await?;
        let missing = ((*resource).to_owned(), (*verb).to_owned());
        world.apply(&role(&account, granted.iter().filter(|right| **right != missing))).await?;
        let subject = format!("--serviceaccount={NAMESPACE}:{account}");
        let bind = ["create", "clusterrolebinding", &account, "--clusterrole", &account, &subject];
        world.plane.kubectl(bind).await?;
        let kubeconfig = account_kubeconfig(&world.plane, NAMESPACE, &account).await?;
        operators.push((world.launch(&kubeconfig, &[]).await?, name));
    }
    let told = operators.iter().map(async |(operator, name)| {
        until(&format!("The operator may not list and watch {name};"), async || operator.log()).await
    });
    try_join_all(told).await.map(drop)
}

/// Takes the rights of one verb away, for workloads of all kinds at once, and asks for restarts that need it.
async fn restarts_are_refused(world: &Installation, granted: &BTreeSet<Right>) -> Result<()> {
    for manifest in workloads() {
        eventually("the workloads to be created", PATIENCE, async || Ok(world.apply(&manifest).await.ok())).await?;
    }
    let by_name = |kind: &str| json!({"kind": kind, "name": "web"});
    let by_label = |kind: &str| json!({"kind": kind, "selector": {"matchLabels": {"app": "web"}}});
    let ask = async |target: &dyn Fn(&str) -> Value, more: &str| {
        let mut targets: Vec<_> = ["Deployment", "StatefulSet", "DaemonSet", "Rollout"].map(target).into();
        targets[3]["group"] = json!("argoproj.io");
        // A new spec repeats a restart that failed.
        let spec = json!({"restart": targets, "target": {"labels": {"round": more}}});
        world.apply(&object("restarts", &[("PASSWORD", "/shop/rotating")], &spec)).await
    };
    world.aws.put("/shop/rotating", "first");
    ask(&by_name, "first").await?;
    world.secret_holds("restarts", "first").await?;
    for verb in ["get", "list", "patch"] {
        let needed =
            NEEDED.iter().filter(|(_, needed, breaks)| *needed == verb && matches!(breaks, Breaks::Restart(_)));
        let rights: Vec<_> = needed.clone().map(|(resource, ..)| ((*resource).to_owned(), verb.to_owned())).collect();
        world.take_away(&rights, granted).await?;
        world.aws.put("/shop/rotating", verb);
        ask(if verb == "list" { &by_label } else { &by_name }, verb).await?;
        for (_, _, breaks) in needed {
            let Breaks::Restart(workload) = breaks else { continue };
            world.is_restarted_says("lacks the permission", workload).await?;
        }
        world.give_back(&rights, granted).await?;
    }
    ask(&by_name, "last").await?;
    world.is_restarted_says("Restarted because Secret restarts changed", "Rollout web").await
}

/// A workload of each kind, created before the restart that it is to take part in.
fn workloads() -> Vec<Value> {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rollouts.argoproj.io", "annotations": {"api-approved.kubernetes.io": "none"}},
        "spec": {
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": {"kind": "Rollout", "plural": "rollouts"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    });
    let pod = json!({"containers": [{"name": "main", "image": "none"}]});
    let template = json!({"metadata": {"labels": {"app": "web"}}, "spec": pod});
    let spec = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template});
    let workload = |version: &str, kind: &str| {
        let metadata = json!({"name": "web", "namespace": "shop", "labels": {"app": "web"}});
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})
    };
    let apps = ["Deployment", "StatefulSet", "DaemonSet"].map(|kind| workload("apps/v1", kind));
    [definition].into_iter().chain(apps).chain([workload("argoproj.io/v1alpha1", "Rollout")]).collect()
}

/// Waits until a text contains these words.
async fn until(words: &str, mut text: impl AsyncFnMut() -> Result<String>) -> Result<()> {
    eventually(&format!("the words {words:?}"), PATIENCE, async || Ok(text().await?.contains(words).then_some(())))
        .await
}

/// All rights of the chart's ClusterRole.
async fn granted(world: &Installation) -> Result<BTreeSet<Right>> {
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
fn role<'a>(name: &str, rights: impl Iterator<Item = &'a Right>) -> Value {
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
    async fn without(
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

    async fn take_away(&self, rights: &[Right], granted: &BTreeSet<Right>) -> Result<()> {
        self.apply(&role(FULLNAME, granted.iter().filter(|right| !rights.contains(right)))).await?;
        self.may(rights, "no").await
    }

    async fn give_back(&self, rights: &[Right], granted: &BTreeSet<Right>) -> Result<()> {
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

    /// Waits until the condition Restarted has a sentence with these words that names this workload.
    async fn is_restarted_says(&self, words: &str, workload: &str) -> Result<()> {
        let objects: Api<SecureParameter> = Api::namespaced(self.client.clone(), "shop");
        let mut last = String::new();
        let what = format!("{words:?} of {workload}");
        let said = eventually(&what, PATIENCE, async || {
            let conditions = objects.get("restarts").await?.status.unwrap_or_default().conditions;
            let message = conditions.into_iter().find(|condition| condition.type_ == "Restarted").map(|c| c.message);
            last = message.unwrap_or_default();
            let sentence = last.split(". ").find(|sentence| sentence.contains(words));
            Ok(sentence.is_some_and(|sentence| sentence.contains(workload)).then_some(()))
        });
        said.await.with_context(|| format!("last seen: {last}"))
    }
}
