//! The admission policies: what whoever holds the operator's token cannot write, even with all rights of the cluster.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use testbed::wait::eventually;

use super::{FULLNAME, NAMESPACE, installation::Installation};
use crate::support::chart::{is_refused_by, kubectl_as, policies_act};
use crate::support::{PATIENCE, object};

const VALUES: &[&str] = &[
    "--set=aws.region=eu-central-1,restart.enabled=true",
    r#"--set-json=serviceAccountTokens=[{"namespace":"shop","name":"reader"}]"#,
];

/// What somebody does with kubectl: its arguments, and its standard input.
type Request = (String, Value);

/// The operator's token, in the hands of somebody else.
struct Intruder {
    world: Installation,
    kubeconfig: PathBuf,
}

impl Intruder {
    /// Gives the operator's ServiceAccount every right, so that nothing but the policies stands in its way.
    async fn new() -> Result<Self> {
        let world = Installation::start(&["shop"], VALUES).await?;
        let account = format!("--serviceaccount={NAMESPACE}:{FULLNAME}");
        let bind = ["create", "clusterrolebinding", "everything", "--clusterrole=cluster-admin", &account];
        world.plane.kubectl(bind).await?;
        let kubeconfig = world.kubeconfig().await?;
        policies_act(&world.plane, &kubeconfig, "shop").await?;
        Ok(Self { world, kubeconfig })
    }

    async fn run(&self, (arguments, input): &Request) -> Result<String> {
        let input = if input.is_null() { String::new() } else { input.to_string() };
        let arguments: Vec<_> = arguments.split(' ').collect();
        kubectl_as(&self.world.plane, &self.kubeconfig, &[&["--namespace=shop"], arguments.as_slice()].concat(), &input)
            .await
    }

    /// Checks that a policy refuses each of these requests.
    async fn is_refused(&self, policy: &str, requests: &[(&str, Request)]) -> Result<()> {
        for (what, request) in requests {
            match self.run(request).await {
                Ok(output) => anyhow::bail!("{what}: {output}"),
                Err(error) => ensure!(is_refused_by(&error, policy), "{what}: {error:#}"),
            }
        }
        Ok(())
    }

    /// Checks that each of these requests succeeds.
    async fn may(&self, requests: &[(&str, Request)]) -> Result<()> {
        for (what, request) in requests {
            self.run(request).await.context((*what).to_owned())?;
        }
        Ok(())
    }
}

fn create(manifest: Value) -> Request {
    ("create --validate=false -f -".to_owned(), manifest)
}

fn patch(what: &str, patch: &Value) -> Request {
    (format!("patch {what} --type=merge --patch-file=/dev/stdin"), patch.clone())
}

fn run(arguments: &str) -> Request {
    (arguments.to_owned(), Value::Null)
}

/// A Secret of namespace `shop` with one key. `metadata` adds fields to its metadata.
fn secret(name: &str, metadata: &Value) -> Value {
    let mut secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "shop"},
        "data": {"PASSWORD": "eA=="},
    });
    for (field, value) in metadata.as_object().into_iter().flatten() {
        secret["metadata"][field] = value.clone();
    }
    secret
}

/// The marks of a Secret of `SecureParameter` `checkout`.
fn marks() -> Value {
    json!({
        "labels": {"secureparameter.io/owner-uid": "1234", "team": "shop"},
        "annotations": {"secureparameter.io/owner": "checkout"},
    })
}

/// An owner reference to a `SecureParameter`.
fn owner(name: &str, uid: &str) -> Value {
    json!({"apiVersion": "secureparameter.io/v1alpha1", "kind": "SecureParameter", "name": name, "uid": uid})
}

/// A marked Secret with more metadata.
fn marked(name: &str, field: &str, value: Value) -> Value {
    let mut metadata = marks();
    metadata[field] = value;
    secret(name, &metadata)
}

fn of_type(mut secret: Value, type_: &str) -> Value {
    secret["type"] = json!(type_);
    secret
}

fn consenting(name: &str, allow: &str) -> Value {
    secret(name, &json!({"annotations": {"secureparameter.io/allow": allow}}))
}

/// The Secrets that the requests are about, as others made them.
fn secrets() -> Vec<Value> {
    let token = "kubernetes.io/service-account-token";
    let account =
        json!({"annotations": {"secureparameter.io/allow": "merge", "kubernetes.io/service-account.name": "default"}});
    vec![
        secret("foreign", &json!({})),
        secret("owned", &marks()),
        secret("gone", &marks()),
        secret("retained", &json!({"annotations": {"secureparameter.io/owner": "checkout"}})),
        consenting("takes-keys", "merge"),
        consenting("for-checkout", "shop/checkout"),
        consenting("for-others", "billing/checkout"),
        of_type(secret("token", &account), token),
    ]
}

/// The API server checks expressions against the schemas of what they match, and warns of what looks wrong.
#[tokio::test]
async fn the_policies_have_no_warnings() -> Result<()> {
    let world = Installation::start(&["shop"], VALUES).await?;
    for policy in ["secrets", "other-writes"] {
        let name = format!("{FULLNAME}-{policy}");
        let status = eventually("the policy to be checked", PATIENCE, async || {
            let get = ["get", "validatingadmissionpolicy", &name, "--output=jsonpath={.status}"];
            let status = world.plane.kubectl(get).await?;
            Ok(status.contains("observedGeneration").then_some(status))
        })
        .await?;
        ensure!(!status.contains("expressionWarnings"), "{policy}: {status}");
    }
    Ok(())
}

#[tokio::test]
async fn no_secret_of_others_is_written_or_deleted() -> Result<()> {
    let intruder = Intruder::new().await?;
    for secret in secrets() {
        intruder.world.apply(&secret).await?;
    }
    let take = json!({"metadata": marks()});
    let strip = json!({"metadata": {"labels": {"secureparameter.io/owner-uid": null}}});
    let with = |patch: &Value, field: &str, value: Value| {
        let mut patch = patch.clone();
        patch[field] = value;
        patch
    };
    let value = json!({"data": {"PASSWORD": "eQ=="}});
    let account = json!({"kubernetes.io/service-account.name": "default", "secureparameter.io/owner": "checkout"});
    let token = of_type(marked("new", "annotations", account), "kubernetes.io/service-account-token");
    let config = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "5678"}]);
    let rename = json!({"metadata": {
        "labels": {"secureparameter.io/owner-uid": "5678"}, "annotations": {"secureparameter.io/owner": "other"},
    }});
    let annotation = |name: &str, value: Value| json!({"metadata": {"annotations": {name: value}}});
    let unname = with(
        &strip,
        "metadata",
        json!({
            "labels": {"secureparameter.io/owner-uid": null}, "annotations": {"secureparameter.io/owner": null},
        }),
    );
    let refused = [
        ("creates a Secret without marks", create(secret("new", &json!({})))),
        ("creates one without an owner's name", create(marked("new", "annotations", json!({})))),
        ("creates one without an owner's uid", create(marked("new", "labels", json!({})))),
        ("creates one for another uid", create(marked("new", "ownerReferences", json!([owner("checkout", "5678")])))),
        ("creates one for another name", create(marked("new", "ownerReferences", json!([owner("other", "1234")])))),
        ("creates one with a foreign owner", create(marked("new", "ownerReferences", config))),
        ("creates one that cannot be deleted", create(marked("new", "finalizers", json!(["example.com/stay"])))),
        ("creates a token of an account", create(token)),
        ("creates a bootstrap token", create(of_type(secret("new", &marks()), "bootstrap.kubernetes.io/token"))),
        ("changes the Secret of somebody else", patch("secret foreign", &value)),
        ("makes it its own", patch("secret foreign", &take)),
        ("makes it consent", patch("secret foreign", &annotation("secureparameter.io/allow", json!("merge")))),
        ("removes a key that is not its own", patch("secret foreign", &json!({"data": {"PASSWORD": null}}))),
        ("deletes it", run("delete secret foreign --wait=false")),
        ("deletes a token of an account", run("delete secret token --wait=false")),
        ("deletes what takes keys", run("delete secret takes-keys --wait=false")),
        ("takes over what takes keys", patch("secret takes-keys", &take)),
        ("withdraws its consent", patch("secret takes-keys", &annotation("secureparameter.io/allow", Value::Null))),
        ("puts a key into a token of an account", patch("secret token", &value)),
        ("takes over for another object", patch("secret for-checkout", &rename)),
        ("takes over what consents elsewhere", patch("secret for-others", &take)),
        ("puts keys into what consents elsewhere", patch("secret for-others", &value)),
        ("hands an owned Secret to another object", patch("secret owned", &rename)),
        ("releases it with other data", patch("secret owned", &with(&strip, "data", json!({"PASSWORD": "eQ=="})))),
        ("releases it without a trace", patch("secret owned", &unname)),
        ("hands a retained one to another object", patch("secret retained", &rename)),
    ];
    intruder.is_refused("secrets", &refused).await?;
    let allowed = [
        ("creates its own", create(marked("new", "ownerReferences", json!([owner("checkout", "1234")])))),
        ("changes its own", patch("secret owned", &value)),
        ("releases it", patch("secret owned", &strip)),
        ("takes it back", patch("secret owned", &take)),
        ("deletes its own", run("delete secret gone")),
        ("takes over by consent", patch("secret for-checkout", &with(&take, "data", json!({"PASSWORD": "eQ=="})))),
        ("puts a key where it may", patch("secret takes-keys", &json!({"data": {"KEY": "eQ=="}}))),
        ("adopts a retained one", patch("secret retained", &take)),
    ];
    intruder.may(&allowed).await
}

/// The expressions are within their cost limits for a Secret that is as large as one can be.
#[tokio::test]
async fn large_secrets_are_judged_too() -> Result<()> {
    let intruder = Intruder::new().await?;
    let plane = &intruder.world.plane;
    let data: Value = (0..1_500).map(|n| (format!("KEY_{n}"), json!("eHh4".repeat(120)))).collect::<Map<_, _>>().into();
    let with_data = |mut secret: Value| {
        secret["data"] = data.clone();
        secret
    };
    plane.kubectl_stdin(["create", "-f", "-"], &with_data(secret("large", &marks())).to_string()).await?;
    plane.kubectl_stdin(["create", "-f", "-"], &consenting("takes-keys", "merge").to_string()).await?;
    let strip = json!({"metadata": {"labels": {"secureparameter.io/owner-uid": null}}});
    let apply = "apply --server-side --validate=false --field-manager=secure-parameter-operator-1234 -f -";
    let mut keys = secret("takes-keys", &json!({}));
    keys["data"] = json!({});
    let merges = [
        ("releases it", patch("secret large", &strip)),
        ("takes it back", patch("secret large", &json!({"metadata": marks()}))),
        ("adds keys", (apply.to_owned(), with_data(keys.clone()))),
    ];
    intruder.may(&merges).await?;
    plane.kubectl(["annotate", "secret", "takes-keys", "--namespace=shop", "secureparameter.io/allow-"]).await?;
    let one_more = json!({"data": {"ONE_MORE": "eA=="}});
    intruder.is_refused("secrets", &[("adds a key without consent", patch("secret takes-keys", &one_more))]).await?;
    intruder.may(&[("takes its keys back", (apply.to_owned(), keys))]).await?;
    let left = plane.kubectl(["get", "secret", "takes-keys", "--namespace=shop", "--output=jsonpath={.data}"]).await?;
    assert_eq!(left, r#"{"PASSWORD":"eA=="}"#);
    Ok(())
}

/// What the requests about everything else are about.
fn others() -> Vec<Value> {
    let named = |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
    let pod = json!({"containers": [{"name": "main", "image": "none"}]});
    let template = json!({"metadata": {"labels": {"app": "web"}, "annotations": {"team": "shop"}}, "spec": pod});
    let mut deployment = named("Deployment", "web");
    deployment["apiVersion"] = json!("apps/v1");
    deployment["spec"] = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template});
    let mut web = named("Pod", "web");
    web["spec"] = pod;
    let mut store = named("ClusterParameterStore", "default");
    store["apiVersion"] = json!("secureparameter.io/v1alpha1");
    store["spec"] = json!({});
    let checkout = object("checkout", &[("PASSWORD", "/shop/password")], &json!({}));
    vec![named("ConfigMap", "config"), named("ServiceAccount", "reader"), deployment, web, store, checkout]
}

/// An Event of this controller about an object of this API.
fn event(name: &str, reporter: &str, about: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "shop"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "action": "Sync",
        "reason": "Synced",
        "type": "Normal",
        "reportingController": reporter,
        "reportingInstance": "x",
        "regarding": {"apiVersion": about, "kind": "SecureParameter", "name": "checkout", "namespace": "shop"},
    })
}

/// Name of the operator's Lease.
const LEASE: &str = "secure-parameter-operator";

fn lease(name: &str, namespace: &str) -> Value {
    let metadata = json!({"name": name, "namespace": namespace});
    json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {"holderIdentity": "me"}})
}

/// The same request in the namespace of the release.
fn system((arguments, input): &Request) -> Request {
    (format!("{arguments} --namespace={NAMESPACE}"), input.clone())
}

/// A patch of the pod template's annotations.
fn template(annotations: &Value) -> Value {
    json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})
}

#[tokio::test]
async fn nothing_else_is_written_but_what_the_operator_writes() -> Result<()> {
    let intruder = Intruder::new().await?;
    for manifest in others().into_iter().chain([lease("others", NAMESPACE)]) {
        intruder.world.apply(&manifest).await?;
    }
    let named = |kind: &str, version: &str| json!({"apiVersion": version, "kind": kind, "metadata": {"name": "new"}});
    let mut pod = named("Pod", "v1");
    pod["spec"] = json!({"containers": [{"name": "main", "image": "none"}]});
    let (ours, mark) = ("secureparameter.io/v1alpha1", "restarted-for.secureparameter.io/checkout");
    let mark_and_image = json!({"spec": {"template": {
        "metadata": {"annotations": {mark: "x/2"}}, "spec": {"containers": [{"name": "main", "image": "evil"}]},
    }}});
    let trap = json!({"metadata": {"finalizers": ["example.com/stay"]}});
    let core_event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "new"}, "involvedObject": {"namespace": "shop"}});
    let rule = json!([{"name": "all", "namespaces": {"from": "All"}, "parameters": ["/**"]}]);
    let refused = [
        ("creates a ConfigMap", create(named("ConfigMap", "v1"))),
        ("changes one", patch("configmap config", &json!({"data": {"a": "b"}}))),
        ("deletes one", run("delete configmap config --wait=false")),
        ("creates a pod", create(pod)),
        ("runs a command in a pod", run("exec web -- id")),
        ("opens a port of a pod", run("create --raw /api/v1/namespaces/shop/pods/web/proxy/ -f /dev/null")),
        ("evicts a pod", run("delete --raw /api/v1/namespaces/shop/pods/web")),
        ("creates an account", create(named("ServiceAccount", "v1"))),
        ("creates a token of an account that is not listed", run("create token default --audience=sts.amazonaws.com")),
        ("creates a token for the API server", run("create token reader")),
        ("creates a token for somebody else", run("create token reader --audience=vault")),
        ("makes itself an administrator", run("create clusterrolebinding new --clusterrole=cluster-admin --user=x")),
        ("creates a role", run("create role new --verb=get --resource=secrets")),
        ("deletes a namespace", run("delete namespace shop --wait=false")),
        ("grants parameters", patch("clusterparameterstore default", &json!({"spec": {"access": rule}}))),
        ("creates an object", create(object("new", &[("PASSWORD", "/shop/password")], &json!({})))),
        ("changes what an object reads", patch("sparam checkout", &json!({"spec": {"refreshInterval": "1h"}}))),
        ("labels an object", patch("sparam checkout", &json!({"metadata": {"labels": {"a": "b"}}}))),
        ("keeps an object for ever", patch("sparam checkout", &trap)),
        ("deletes an object", run("delete sparam checkout --wait=false")),
        ("runs another image", patch("deployment web", &mark_and_image)),
        ("scales a workload", run("scale deployment web --replicas=9")),
        ("changes the scale by the spec", patch("deployment web", &json!({"spec": {"replicas": 9}}))),
        ("sets an annotation of somebody else", patch("deployment web", &template(&json!({"team": "x"})))),
        ("removes an annotation of somebody else", patch("deployment web", &template(&json!({"team": null})))),
        ("keeps pods for ever", patch("deployment web", &json!({"spec": {"template": trap}}))),
        ("labels a workload", patch("deployment web", &json!({"metadata": {"labels": {"a": "b"}}}))),
        ("deletes a workload", run("delete deployment web --wait=false")),
        ("creates a Lease of somebody else", system(&create(lease("theirs", NAMESPACE)))),
        ("creates its Lease elsewhere", create(lease(LEASE, "shop"))),
        ("keeps its Lease for ever", system(&patch(&format!("lease {LEASE}"), &trap))),
        ("takes the Lease of somebody else", system(&patch("lease others", &json!({"spec": {"holderIdentity": "x"}})))),
        ("deletes its Lease", system(&run(&format!("delete lease {LEASE}")))),
        ("writes an Event of another API", create(core_event)),
        ("writes an Event as somebody else", create(event("new", "kubelet", ours))),
        ("writes an Event about something else", create(event("new", "secure-parameter-operator", "v1"))),
    ];
    intruder.may(&[("creates its Lease", system(&create(lease(LEASE, NAMESPACE))))]).await?;
    intruder.is_refused("other-writes", &refused).await?;
    let finalizer = json!({"metadata": {"finalizers": ["secureparameter.io/merge"]}});
    let allowed = [
        ("reports", patch("sparam checkout --subresource=status", &json!({"status": {"observedGeneration": 1}}))),
        ("sets its finalizer", patch("sparam checkout", &finalizer)),
        ("removes its finalizer", patch("sparam checkout", &json!({"metadata": {"finalizers": null}}))),
        ("writes its Events", create(event("new", "secure-parameter-operator", ours))),
        ("restarts a workload", patch("deployment web", &template(&json!({mark: "x/1"})))),
        ("gets a token for AWS", run("create token reader --audience=sts.amazonaws.com")),
        ("renews its Lease", system(&patch(&format!("lease {LEASE}"), &json!({"spec": {"holderIdentity": "x"}})))),
        ("asks for its rights", run("auth can-i create pods")),
    ];
    intruder.may(&allowed).await
}
