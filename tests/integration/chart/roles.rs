//! The roles that the chart renders.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{FULLNAME, NAMESPACE, find, operator_arguments, rendered};

/// API group, resources, verbs.
type Right = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Everything that the operator does with the Kubernetes API. The chart grants exactly this; the test in `operator` shows
/// that it is enough.
const RIGHTS: &[Right] = &[
    ("secureparameter.io", &["secureparameters", "parameterstores"], &["list", "watch"]),
    ("secureparameter.io", &["secureparameters"], &["patch"]),
    ("secureparameter.io", &["secureparameters/status", "parameterstores/status"], &["patch"]),
    ("", &["secrets"], &["get", "list", "watch", "create", "patch", "delete"]),
    ("events.k8s.io", &["events"], &["create"]),
];

/// What it reads that has no namespace.
const CLUSTER_RIGHTS: &[Right] = &[
    ("secureparameter.io", &["clusterparameterstores"], &["list", "watch"]),
    ("", &["namespaces"], &["list", "watch"]),
];

/// What it writes that has no namespace.
const CLUSTER_STATUS: Right = ("secureparameter.io", &["clusterparameterstores/status"], &["patch"]);

/// What it does with its Lease, and with all.
const LEASE_VERBS: (&[&str], &[&str]) = (&["get", "update"], &["list", "watch", "create"]);
/// Name of the Role on the Lease.
const LEASE_ROLE: &str = "operator-secure-parameter-operator-lease";

/// These rights as rules of a role.
fn rules(rights: &[Right]) -> Value {
    let rule =
        |(group, resources, verbs): &Right| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    rights.iter().map(rule).collect()
}

/// Kind, namespace and name of each object about roles.
fn roles(objects: &[Value]) -> Vec<(&str, &str, &str)> {
    let roles = objects.iter().filter(|object| object["kind"].as_str().unwrap_or_default().contains("Role"));
    let shown = roles.map(|role| {
        let metadata = &role["metadata"];
        let [kind, namespace, name] = [&role["kind"], &metadata["namespace"], &metadata["name"]];
        (kind.as_str().unwrap_or_default(), namespace.as_str().unwrap_or_default(), name.as_str().unwrap_or_default())
    });
    shown.collect()
}

#[tokio::test]
async fn the_operator_has_exactly_the_rights_it_needs() -> Result<()> {
    let objects = rendered(&["--set=rbac.aggregate=false"]).await?;
    let expected = [
        ("ClusterRole", "", FULLNAME),
        ("ClusterRoleBinding", "", FULLNAME),
        ("Role", NAMESPACE, LEASE_ROLE),
        ("RoleBinding", NAMESPACE, LEASE_ROLE),
    ];
    let mut found = roles(&objects);
    found.sort_unstable();
    assert_eq!(found, expected);
    let all = |rights: &[Right]| rules(&[rights, CLUSTER_RIGHTS, &[CLUSTER_STATUS]].concat());
    assert_eq!(find(&objects, "ClusterRole", FULLNAME)?["rules"], all(RIGHTS));
    // Rights on workloads are granted only if restarts are enabled.
    let objects = rendered(&["--set=rbac.aggregate=false,restart.enabled=true"]).await?;
    assert_eq!(find(&objects, "ClusterRole", FULLNAME)?["rules"], all(&with_restarts()));
    Ok(())
}

/// The namespaced rights, those to restart workloads included.
fn with_restarts() -> Vec<Right> {
    let mut rights = RIGHTS.to_vec();
    let verbs = &["get", "list", "patch"];
    let workloads: [Right; 2] =
        [("apps", &["deployments", "statefulsets", "daemonsets"], verbs), ("argoproj.io", &["rollouts"], verbs)];
    rights.splice(rights.len() - 1..rights.len() - 1, workloads);
    rights
}

#[tokio::test]
async fn an_operator_of_some_namespaces_has_rights_in_these_alone() -> Result<()> {
    let values = "--set=rbac.aggregate=false,restart.enabled=true,namespaces={a,b}";
    let expected = ["a", "b"].map(|namespace| [("Role", namespace, FULLNAME), ("RoleBinding", namespace, FULLNAME)]);
    let objects = rendered(&[values, "--set=rbac.clusterStores=false"]).await?;
    let mut found = roles(&objects);
    found.retain(|(_, _, name)| *name != LEASE_ROLE);
    found.sort_by_key(|(kind, namespace, _)| (*namespace, kind.len()));
    assert_eq!(found, expected.as_flattened());
    let granted = objects.iter().filter(|object| object["kind"] == "Role" && object["metadata"]["name"] == FULLNAME);
    granted.for_each(|role| assert_eq!(role["rules"], rules(&with_restarts())));
    assert!(operator_arguments(&objects)?.contains(&"--namespaces=a,b".to_owned()));

    let nothing_else = "--set=rbac.clusterStores=false,admissionPolicies.create=false,crds.install=false";
    let objects = rendered(&[values, nothing_else]).await?;
    assert!(objects.iter().all(|object| object["metadata"]["namespace"].is_string()), "{objects:?}");

    let objects = rendered(&[values]).await?;
    assert_eq!(roles(&objects).len(), 8, "one small ClusterRole and its binding more");
    assert_eq!(find(&objects, "ClusterRole", FULLNAME)?["rules"], rules(CLUSTER_RIGHTS));
    Ok(())
}

/// One Lease is written, wherever the operator works. RBAC cannot limit its creation by name.
#[tokio::test]
async fn the_lease_is_granted_by_name_in_the_namespace_of_the_release() -> Result<()> {
    for (values, name) in [
        ("rbac.aggregate=false", "secure-parameter-operator"),
        ("namespaces={a,b}", FULLNAME),
        ("watchSelector=team=a", "secure-parameter-operator-289b4946"),
        ("namespaces={a,b},watchSelector=team=a", &format!("{FULLNAME}-289b4946")),
        ("leaderElection.leaseName=mine", "mine"),
        // Without election it is taken too.
        ("leaderElection.enabled=false,replicaCount=1", "secure-parameter-operator"),
    ] {
        let objects = rendered(&["--set", values]).await?;
        let role = find(&objects, "Role", LEASE_ROLE)?;
        assert_eq!(role["metadata"]["namespace"], NAMESPACE);
        let group = "coordination.k8s.io";
        let named = json!({
            "apiGroups": [group], "resources": ["leases"], "resourceNames": [name], "verbs": LEASE_VERBS.0,
        });
        assert_eq!(
            role["rules"],
            json!([named, {"apiGroups": [group], "resources": ["leases"], "verbs": LEASE_VERBS.1}]),
            "{values}"
        );
        assert_eq!(find(&objects, "RoleBinding", LEASE_ROLE)?["subjects"][0]["name"], FULLNAME);
        assert!(operator_arguments(&objects)?.contains(&format!("--lease-name={name}")), "{values}");
        let policy = find(&objects, "ValidatingAdmissionPolicy", &format!("{FULLNAME}-other-writes"))?;
        assert!(policy.to_string().contains(&format!("metadata.name == '{name}'")), "{values}");
    }
    Ok(())
}

#[tokio::test]
async fn tokens_are_granted_for_named_accounts_alone() -> Result<()> {
    let accounts = json!([
        {"namespace": "a", "name": "x"},
        {"namespace": "b", "name": "x"},
        {"namespace": "a", "name": "y", "audiences": ["z"]},
    ]);
    let accounts = format!("--set-json=serviceAccountTokens={accounts}");
    let objects = rendered(&["--set=rbac.aggregate=false", &accounts]).await?;
    let name = format!("{FULLNAME}-tokens");
    for (namespace, names) in [("a", ["x", "y"].as_slice()), ("b", &["x"])] {
        let mut roles = objects.iter().filter(|object| object["metadata"]["namespace"] == namespace);
        let role = roles.find(|object| object["kind"] == "Role").context("a Role")?;
        assert_eq!(role["metadata"]["name"], name);
        let granted = |resource: &str, verb: &str| json!({"apiGroups": [""], "resources": [resource], "resourceNames": names, "verbs": [verb]});
        assert_eq!(
            role["rules"],
            json!([granted("serviceaccounts", "get"), granted("serviceaccounts/token", "create")])
        );
    }
    Ok(())
}

/// Cluster stores grant parameters, so no built-in role may write them.
#[tokio::test]
async fn built_in_roles_read_everything_and_write_what_is_namespaced() -> Result<()> {
    let objects = rendered(&[]).await?;
    for (name, resources, verbs) in [
        (
            "view",
            ["secureparameters", "parameterstores", "clusterparameterstores"].as_slice(),
            ["get", "list", "watch"].as_slice(),
        ),
        (
            "edit",
            &["secureparameters", "parameterstores"],
            &["create", "update", "patch", "delete", "deletecollection"],
        ),
    ] {
        let role = find(&objects, "ClusterRole", &format!("{FULLNAME}-{name}"))?;
        let labels = role["metadata"]["labels"].as_object().context("labels")?;
        let aggregated: Vec<_> = labels.keys().filter(|label| label.contains("aggregate-to")).collect();
        assert_eq!(aggregated, [&format!("rbac.authorization.k8s.io/aggregate-to-{name}")]);
        let rules = json!([{"apiGroups": ["secureparameter.io"], "resources": resources, "verbs": verbs}]);
        assert_eq!(role["rules"], rules);
    }
    Ok(())
}
