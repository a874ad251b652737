//! What the chart renders, and which values it refuses.

use std::fs;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{FULLNAME, chart, container, find, helm, operator_arguments, rendered, repository};

#[tokio::test]
async fn lint_finds_nothing() -> Result<()> {
    let arguments = ["lint", "--strict", "--quiet"].map(str::to_owned);
    let chart = chart().display().to_string();
    let output = helm(&[arguments.as_slice(), &[chart]].concat()).await?;
    assert_eq!(output, "");
    Ok(())
}

#[tokio::test]
async fn values_become_arguments_and_environment() -> Result<()> {
    let objects = rendered(&[]).await?;
    let expected = [
        "run",
        "--listen=0.0.0.0:8080",
        "--log-format=json",
        "--log-filter=info",
        "--concurrency=128",
        "--audit-queue=4096",
        "--leader-elect",
        "--lease-namespace=operator-system",
        "--lease-name=secure-parameter-operator",
        "--lease-duration=12s",
        "--max-parameters-per-namespace=10000",
        "--max-paths-per-namespace=500",
        "--max-foreign-secrets-per-namespace=500",
        "--max-stores-per-namespace=50",
        "--max-sessions-per-store=500",
        "--quota-share=1",
    ];
    assert_eq!(operator_arguments(&objects)?, expected);
    assert_eq!(container(&objects)?["env"], Value::Null);

    let filter = r"log.filter=info\,secure_parameter_operator=debug";
    let objects = rendered(&[
        "--set=log.format=text,concurrency=3,aws.region=eu-central-1",
        "--set=namespaceLimits.parameters=1000000,namespaceLimits.foreignSecrets=7,maxSessionsPerStore=7,quotaShare=0.25",
        &format!("--set={filter}"),
        "--set=extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy:3128",
        "--set=listenAddress=[::]",
        "--set=replicaCount=1,leaderElection.enabled=false,leaderElection.leaseName=mine,leaderElection.leaseDuration=20s",
        r"--set=watchSelector=team in (a\,b)",
        "--set=clusterName=blue,aws.allowNodeRole=true,aws.allowCustomEndpoints=true",
    ])
    .await?;
    assert_eq!(
        operator_arguments(&objects)?[1..],
        [
            "--listen=[::]:8080",
            "--log-format=text",
            "--log-filter=info,secure_parameter_operator=debug",
            "--concurrency=3",
            "--audit-queue=4096",
            "--lease-namespace=operator-system",
            "--lease-name=mine",
            "--lease-duration=20s",
            "--watch-selector=team in (a,b)",
            "--max-parameters-per-namespace=1000000",
            "--max-paths-per-namespace=500",
            "--max-foreign-secrets-per-namespace=7",
            "--max-stores-per-namespace=50",
            "--max-sessions-per-store=7",
            "--quota-share=0.25",
            "--cluster-name=blue",
            "--allow-node-role",
            "--allow-custom-endpoints",
        ]
    );
    let environment = json!([
        {"name": "AWS_REGION", "value": "eu-central-1"},
        {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
    ]);
    assert_eq!(container(&objects)?["env"], environment);

    let store = "--set=defaultStore.create=true,defaultStore.spec.region=eu-west-1";
    for (more, region) in [(None, "eu-west-1"), (Some("--set=aws.region=eu-central-1"), "eu-central-1")] {
        let arguments: Vec<_> = [Some(store), more].into_iter().flatten().collect();
        let environment = json!([{"name": "AWS_REGION", "value": region}]);
        assert_eq!(container(&rendered(&arguments).await?)?["env"], environment);
    }
    Ok(())
}

/// With election a new pod stands by before an old one ends. Without it, a new pod would wait for the old one for ever.
#[tokio::test]
async fn several_pods_elect_a_leader_and_are_spread_over_nodes() -> Result<()> {
    let objects = rendered(&[]).await?;
    let spec = &find(&objects, "Deployment", FULLNAME)?["spec"];
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
    assert_eq!((&spec["replicas"], &spec["strategy"]), (&json!(2), &strategy));
    let budget = &find(&objects, "PodDisruptionBudget", FULLNAME)?["spec"];
    assert_eq!((&budget["maxUnavailable"], &budget["selector"]), (&json!(1), &spec["selector"]));
    let spread = spec["template"]["spec"]["topologySpreadConstraints"].as_array().context("constraints")?;
    assert_eq!(spread[0]["topologyKey"], "kubernetes.io/hostname");
    for constraint in spread {
        assert_eq!(constraint["labelSelector"], spec["selector"], "they count the operator's own pods");
        assert_eq!(constraint["whenUnsatisfiable"], "ScheduleAnyway", "a cluster with one node runs both");
    }
    let own = r#"--set-json=topologySpreadConstraints=[{"topologyKey":"rack"}]"#;
    let objects = rendered(&[own, "--set=replicaCount=1,leaderElection.enabled=false"]).await?;
    let spec = &find(&objects, "Deployment", FULLNAME)?["spec"];
    assert_eq!((&spec["replicas"], &spec["strategy"]), (&json!(1), &json!({"type": "Recreate"})));
    assert_eq!(spec["template"]["spec"]["topologySpreadConstraints"], json!([{"topologyKey": "rack"}]));
    assert!(
        objects.iter().all(|object| object["kind"] != "PodDisruptionBudget"),
        "one pod has to go where its node goes"
    );

    let Err(error) = rendered(&["--set=leaderElection.enabled=false"]).await else { bail!("rendered") };
    let words = "set leaderElection.enabled=true, or replicaCount=1";
    assert!(format!("{error:#}").contains(words), "{error:#}");
    Ok(())
}

/// Otherwise every pod of the namespace that names no ServiceAccount would have the operator's rights.
#[tokio::test]
async fn the_default_service_account_gets_no_rights() -> Result<()> {
    let Err(error) = rendered(&["--set=serviceAccount.create=false"]).await else { bail!("rendered") };
    assert!(format!("{error:#}").contains("serviceAccount.name is required"), "{error:#}");
    let objects = rendered(&["--set=serviceAccount.create=false,serviceAccount.name=mine"]).await?;
    let binding = objects.iter().find(|object| object["kind"] == "ClusterRoleBinding").context("a binding")?;
    assert_eq!(binding["subjects"][0]["name"], "mine");
    Ok(())
}

#[tokio::test]
async fn an_image_is_named_by_tag_or_digest() -> Result<()> {
    let digest = format!("sha256:{}", "0a".repeat(32));
    for (values, image) in [
        ("image.repository=repo", format!("repo:{}", env!("CARGO_PKG_VERSION"))),
        ("image.repository=repo,image.tag=v2", "repo:v2".to_owned()),
        (&format!("image.repository=repo,image.tag=v2,image.digest={digest}"), format!("repo@{digest}")),
    ] {
        assert_eq!(container(&rendered(&["--set", values]).await?)?["image"], image);
    }
    Ok(())
}

/// Otherwise Helm would install other definitions than those of the operator.
#[tokio::test]
async fn definitions_are_those_of_the_repository() -> Result<()> {
    let objects = rendered(&[]).await?;
    let mut count = 0;
    for (file, _) in secure_parameter_operator::api::crds() {
        let path = repository().join("crds").join(file);
        let (name, text) = (path.file_name().context("a file")?, fs::read_to_string(&path)?);
        assert_eq!(fs::read_to_string(chart().join("files/crds").join(name))?, text, "copy crds/ to files/crds/");
        let definition: Value = serde_yaml::from_str(&text)?;
        let name = definition["metadata"]["name"].as_str().context("a name")?;
        let mut shown = find(&objects, "CustomResourceDefinition", name)?.clone();
        let annotations = shown["metadata"].as_object_mut().context("metadata")?.remove("annotations");
        assert_eq!(annotations, Some(json!({"helm.sh/resource-policy": "keep"})));
        assert_eq!(shown, definition);
        count += 1;
    }
    assert_eq!(fs::read_dir(chart().join("files/crds"))?.count(), count);
    let objects = rendered(&["--set=crds.install=false"]).await?;
    assert!(objects.iter().all(|object| object["kind"] != "CustomResourceDefinition"));
    Ok(())
}

#[tokio::test]
async fn metrics_objects_are_rendered_if_enabled() -> Result<()> {
    let enabled = |name: &str| format!("--set=metrics.{name}.create=true");
    for (arguments, service, monitor, pods) in [
        (vec![], false, false, false),
        (vec![enabled("service")], true, false, false),
        (vec![enabled("serviceMonitor")], true, true, false),
        (vec![enabled("podMonitor")], false, false, true),
    ] {
        let objects = rendered(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let has = |kind: &str| objects.iter().any(|object| object["kind"] == kind);
        let found = (has("Service"), has("ServiceMonitor"), has("PodMonitor"));
        assert_eq!(found, (service, monitor, pods), "{arguments:?}");
    }
    Ok(())
}

/// Reads from an object what a file of the chart says.
type Embedded = fn(&Value) -> Result<Value>;

/// Alerts and dashboard are the files of the chart. A package without them says so.
#[tokio::test]
async fn alerts_and_dashboard_are_those_of_the_files() -> Result<()> {
    let dashboard = |object: &Value| {
        Ok(serde_json::from_str(object["data"]["secure-parameter-operator.json"].as_str().context("a file")?)?)
    };
    let rule = |object: &Value| Ok(object["spec"].clone());
    let cases: [(&str, &str, &str, Embedded); 2] = [
        ("prometheusRule", "alerts.yaml", "PrometheusRule", rule),
        ("dashboard", "dashboard.json", "ConfigMap", dashboard),
    ];
    for (value, file, kind, embedded) in cases {
        let path = chart().join("files/monitoring").join(file);
        let shown =
            rendered(&[&format!("--set=metrics.{value}.create=true,metrics.{value}.namespace=monitoring")]).await;
        if !path.exists() {
            let error = shown.expect_err("no file").to_string();
            assert!(error.contains(&format!("files/monitoring/{file} is not in this package")), "{error}");
            continue;
        }
        let objects = shown?;
        let object = objects.iter().find(|object| object["kind"] == kind).context(kind)?;
        let expected: Value = serde_yaml::from_str(&fs::read_to_string(&path)?)?;
        assert_eq!(embedded(object)?, expected, "{file}");
        assert_eq!(object["metadata"]["namespace"], "monitoring");
    }
    Ok(())
}

/// An object that a tool selects by a label, or leaves alone by an annotation, must have it whatever its kind.
#[tokio::test]
async fn common_labels_and_annotations_are_on_every_object() -> Result<()> {
    let objects = rendered(&[
        "--set=commonLabels.team=platform,commonAnnotations.note=x,namespaceOverride=parameters",
        "--set=defaultStore.create=true,defaultStore.hook=false,networkPolicy.create=true,metrics.serviceMonitor.create=true,restart.enabled=true",
        r#"--set-json=serviceAccountTokens=[{"namespace":"shop","name":"reader"}]"#,
    ])
    .await?;
    for object in &objects {
        let metadata = &object["metadata"];
        let found = (&metadata["labels"]["team"], &metadata["annotations"]["note"]);
        assert_eq!(found, (&json!("platform"), &json!("x")), "{object}");
        let namespace = metadata["namespace"].as_str().unwrap_or("parameters");
        assert!(["parameters", "shop"].contains(&namespace), "{object}");
    }
    let deployment = find(&objects, "Deployment", FULLNAME)?;
    assert_eq!(deployment["spec"]["template"]["metadata"]["labels"]["team"], "platform");
    assert_eq!(deployment["spec"]["selector"]["matchLabels"]["team"], Value::Null, "a selector cannot change");
    assert!(
        !serde_json::to_string(&objects)?.contains("operator-system"),
        "the namespace of the release is in no object"
    );
    Ok(())
}
