//! The control plane of the test bed behaves like that of a real cluster.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Secret, ServiceAccount},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, ObjectMeta, PostParams},
};
use serde_json::json;
use testbed::{
    control_plane::ControlPlane,
    fake_aws::{TokenError, WebIdentity},
    wait::eventually,
};

const TIMEOUT: Duration = Duration::from_mins(1);

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

fn crd() -> Result<CustomResourceDefinition> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": "owners.testbed.example"},
        "spec": {
            "group": "testbed.example",
            "scope": "Namespaced",
            "names": {"plural": "owners", "kind": "Owner"},
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }],
        },
    }))?)
}

#[tokio::test]
async fn a_deleted_namespace_is_removed() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let name = control_plane.namespace("vanishing").await?;
    assert!(name.starts_with("vanishing-"), "{name}");
    let namespaces: Api<Namespace> = Api::all(control_plane.client().await?);
    namespaces.delete(&name, &DeleteParams::default()).await?;
    eventually("the namespace to vanish", TIMEOUT, async || {
        Ok(namespaces.get_opt(&name).await?.is_none().then_some(()))
    })
    .await
}

/// The kind of the owner is a custom resource, as with the operator.
#[tokio::test]
async fn a_secret_is_deleted_with_its_owner() -> Result<()> {
    let control_plane = ControlPlane::start_with_crds(&[crd()?]).await?;
    let namespace = control_plane.namespace("owner").await?;
    let client = control_plane.client().await?;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("testbed.example", "v1", "Owner"));
    let owners: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &kind);
    let secrets: Api<Secret> = Api::namespaced(client, &namespace);

    let owner = owners.create(&PostParams::default(), &DynamicObject::new("owner", &kind)).await?;
    let reference = owner.controller_owner_ref(&kind).context("no owner reference")?;
    let metadata = ObjectMeta { owner_references: Some(vec![reference]), ..named("owned") };
    secrets.create(&PostParams::default(), &Secret { metadata, ..Secret::default() }).await?;
    owners.delete("owner", &DeleteParams::default()).await?;
    // Sooner than the controllers would discover a new kind.
    eventually("the owned secret to vanish", Duration::from_secs(20), async || {
        Ok(secrets.get_opt("owned").await?.is_none().then_some(()))
    })
    .await
}

#[tokio::test]
async fn a_plain_service_account_may_not_read_secrets() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let namespace = control_plane.namespace("plain").await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(control_plane.client().await?, &namespace);
    let account = ServiceAccount { metadata: named("plain"), ..ServiceAccount::default() };
    accounts.create(&PostParams::default(), &account).await?;

    let token = control_plane.service_account_token(&namespace, "plain").await?;
    let secrets: Api<Secret> = Api::namespaced(control_plane.client_with_token(&token).await?, &namespace);
    let denied = secrets.list(&ListParams::default()).await.expect_err("a plain service account reads secrets");
    assert!(matches!(&denied, kube::Error::Api(status) if status.code == 403), "{denied:?}");
    assert!(denied.to_string().contains(&format!("system:serviceaccount:{namespace}:plain")), "{denied}");

    let strangers: Api<Secret> = Api::namespaced(control_plane.client_with_token("no-token").await?, &namespace);
    let unknown = strangers.list(&ListParams::default()).await.expect_err("a made-up token is accepted");
    assert!(matches!(&unknown, kube::Error::Api(status) if status.code == 401), "{unknown:?}");
    Ok(())
}

#[tokio::test]
async fn tokens_of_service_accounts_are_verified() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let namespace = control_plane.namespace("tokens").await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(control_plane.client().await?, &namespace);
    let account = ServiceAccount { metadata: named("checkout"), ..ServiceAccount::default() };
    accounts.create(&PostParams::default(), &account).await?;
    let verifier = control_plane.token_verifier()?;
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;

    let token = control_plane.service_account_token_for(&namespace, "checkout", &["sts.amazonaws.com"]).await?;
    let expected = WebIdentity {
        subject: format!("system:serviceaccount:{namespace}:checkout"),
        audience: "sts.amazonaws.com".to_owned(),
        provider: control_plane.issuer().to_owned(),
    };
    assert_eq!(verifier.verify(&token, now), Ok(expected));
    assert!(matches!(verifier.verify(&token, now + 7_200_000), Err(TokenError::Expired(_))));

    let own = control_plane.service_account_token(&namespace, "checkout").await?;
    let refused = Err(TokenError::Invalid("Incorrect token audience".to_owned()));
    assert_eq!(verifier.verify(&own, now), refused);

    // The claims of one token with the signature of another.
    let (message, _) = token.rsplit_once('.').context("a signature")?;
    let (_, signature) = own.rsplit_once('.').context("a signature")?;
    assert!(matches!(verifier.verify(&format!("{message}.{signature}"), now), Err(TokenError::Invalid(_))));
    Ok(())
}

#[tokio::test]
async fn kubectl_applies_what_a_client_reads() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    let namespace = control_plane.namespace("kubectl").await?;
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {key: value}\n";
    let output = control_plane.kubectl_stdin(["apply", "-n", namespace.as_str(), "-f", "-"], manifest).await?;
    assert_eq!(output, "configmap/applied created\n");

    let maps: Api<ConfigMap> = Api::namespaced(control_plane.client().await?, &namespace);
    let data = maps.get("applied").await?.data;
    assert_eq!(data, Some(BTreeMap::from([("key".to_owned(), "value".to_owned())])));

    let error = control_plane.kubectl(["get", "nonsense"]).await.expect_err("kubectl knows nonsense");
    assert!(error.to_string().contains(r#"the server doesn't have a resource type "nonsense""#), "{error}");
    Ok(())
}

#[tokio::test]
async fn two_control_planes_run_at_once_and_leave_no_files() -> Result<()> {
    let (first, second) = (ControlPlane::start().await?, ControlPlane::shared().await?);
    assert_ne!(first.url(), second.url());
    let name = first.namespace("apart").await?;
    let there: Api<Namespace> = Api::all(second.client().await?);
    assert!(there.get_opt(&name).await?.is_none());

    let folder = first.folder().to_owned();
    assert!(folder.is_dir());
    drop(first);
    assert!(!folder.exists());
    Ok(())
}
