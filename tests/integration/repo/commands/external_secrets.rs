//! What somebody has who moves from External Secrets Operator (ESO), before its page and after it.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use testbed::wait::eventually;

use super::lab::Lab;
use crate::support::{
    PATIENCE,
    external_secrets::{Written, canary, collected, made_by_eso, owner},
};

/// The page.
pub const PAGE: &str = "docs/migrate.md";
/// What the Secret `checkout` holds: in Base64, the values that the laboratory's AWS has.
const DATA: [(&str, &str); 2] = [("API_TOKEN", "dG9rZW4tMQ=="), ("DB_PASSWORD", "Y29ycmVjdCBob3JzZQ==")];
/// In the cluster, and in the repository of the reader.
const MANIFESTS: &str = "
apiVersion: external-secrets.io/v1beta1
kind: ClusterSecretStore
metadata: {name: aws}
spec:
  provider: {aws: {service: ParameterStore, region: eu-central-1}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: checkout, namespace: shop}
spec:
  secretStoreRef: {kind: ClusterSecretStore, name: aws}
  data:
    - {secretKey: API_TOKEN, remoteRef: {key: /shop/checkout/api-token}}
    - {secretKey: DB_PASSWORD, remoteRef: {key: /shop/checkout/db-password}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: aws, namespace: data}
spec:
  provider: {aws: {service: ParameterStore, region: eu-central-1}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: replica, namespace: data}
spec:
  secretStoreRef: {name: aws}
  target: {name: operator-made, creationPolicy: Merge}
  data:
    - {secretKey: REPLICA_PASSWORD, remoteRef: {key: /shop/checkout/db-password}}
";
/// A Secret of others with a key of ESO, and the steps of the page up to the point at which ESO still holds the key.
const MERGED: &str = "
kubectl --namespace data create secret generic operator-made --from-literal=PRIMARY_PASSWORD=primary
kubectl --namespace data patch secret operator-made --field-manager=externalsecrets.external-secrets.io/replica \\
  --patch '{\"stringData\": {\"REPLICA_PASSWORD\": \"correct horse\"}}'
secure-parameter-operator migrate --namespace data > data.yaml
kubectl apply -f data.yaml
sed -n 's/^# kubectl /kubectl /p' data.yaml | sh -e
";

/// The Secret as ESO made it.
pub struct Before {
    client: Client,
    secret: Secret,
}

impl Before {
    /// Makes what ESO and its user made.
    pub async fn prepare(lab: &Lab) -> Result<Self> {
        let client = lab.plane.client().await?;
        let manifests = lab.folder().join("manifests");
        fs::create_dir(&manifests)?;
        fs::write(manifests.join("shop.yaml"), MANIFESTS)?;
        lab.plane.kubectl(["create", "namespace", "data"]).await?;
        lab.plane.kubectl([Path::new("apply"), Path::new("-f"), &manifests]).await?;
        let owner = owner(&client, "shop", "checkout").await?;
        let data = DATA.map(|(key, value)| (key.to_owned(), json!(value)));
        let data = data.into_iter().collect();
        let secret = made_by_eso(&client, "shop", &owner, &data, Written::ByUpdate).await?;
        canary(&client, "shop", &owner).await?;
        lab.shell(MERGED, lab.folder()).await?;
        Ok(Self { client, secret })
    }

    /// Checks what the page promises, when all of its commands have run.
    pub async fn check(&self) -> Result<()> {
        collected(&self.client, "shop").await?;
        let after = Api::<Secret>::namespaced(self.client.clone(), "shop").get("checkout").await?;
        ensure!(after.uid() == self.secret.uid(), "Secret checkout was replaced");
        ensure!(after.data == self.secret.data, "the data of Secret checkout changed");
        let owners: Vec<_> = after.owner_references().iter().map(|owner| owner.kind.as_str()).collect();
        ensure!(owners == ["SecureParameter"], "Secret checkout belongs to {owners:?}");

        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "data");
        eventually("the operator to write the key that was removed", PATIENCE, async || {
            let data = secrets.get("operator-made").await?.data.unwrap_or_default();
            ensure!(data.contains_key("PRIMARY_PASSWORD"), "a key of others is gone");
            Ok(data.contains_key("REPLICA_PASSWORD").then_some(()))
        })
        .await
    }
}
