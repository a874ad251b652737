//! The rights on ServiceAccounts that a store reads as.

use anyhow::{Context, Result};
use serde_json::json;
use testbed::{
    fake_aws::{DEFAULT_ACCOUNT, Role},
    wait::eventually,
};

use super::VALUES;
use crate::chart::{FULLNAME, NAMESPACE, installation::Installation};
use crate::support::PATIENCE;

const READER: &str = r#"--set-json=serviceAccountTokens=[{"namespace":"shop","name":"reader"}]"#;

#[tokio::test]
async fn a_service_account_is_read_and_its_token_created_by_name_alone() -> Result<()> {
    let mut world = Installation::start(&["shop"], &[VALUES, &[READER]].concat()).await?;
    let role = Role::new(DEFAULT_ACCOUNT, "reader");
    world.aws.verify_tokens(world.plane.token_verifier()?);
    world.aws.add_role(role.clone());
    for name in ["reader", "unlisted"] {
        let annotations = json!({"eks.amazonaws.com/role-arn": role.arn});
        let metadata = json!({"name": name, "namespace": "shop", "annotations": annotations});
        world.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await?;
    }
    let operator = world.operator().await?;
    let add = "add it to serviceAccountTokens";
    for (n, (missing, words)) in [("get", "may get"), ("create", "may create tokens for")].into_iter().enumerate() {
        let all = world.rules().await?;
        let mut rest = all.clone();
        rest.as_array_mut().context("rules")?.retain(|rule| rule["verbs"] != json!([missing]));
        world.set_rules(&rest).await?;
        world.can(missing, false).await?;
        let store = format!("without-{n}");
        world.reads_as(&store, "reader").await?;
        world.store_says(&store, &[words, add]).await?;
        world.set_rules(&all).await?;
        world.can(missing, true).await?;
    }
    world.reads_as("unlisted", "unlisted").await?;
    world.store_says("unlisted", &["may get", add]).await?;
    world.reads_as("listed", "reader").await?;
    world.store_says("listed", &["assumed-role/reader"]).await?;
    world.stop(&operator).map(drop)
}

impl Installation {
    /// The rules of the chart's Role on ServiceAccounts.
    async fn rules(&self) -> Result<serde_json::Value> {
        let role = format!("{FULLNAME}-tokens");
        let rules = ["get", "role", &role, "--namespace=shop", "--output=jsonpath={.rules}"];
        Ok(serde_json::from_str(&self.plane.kubectl(rules).await?)?)
    }

    async fn set_rules(&self, rules: &serde_json::Value) -> Result<()> {
        let (role, patch) = (format!("{FULLNAME}-tokens"), json!({"rules": rules}).to_string());
        self.plane.kubectl(["patch", "role", &role, "--namespace=shop", "--type=merge", "-p", &patch]).await.map(drop)
    }

    /// Waits until the operator has the right on `reader`, or has it no more.
    async fn can(&self, verb: &str, expected: bool) -> Result<()> {
        let account = format!("--as=system:serviceaccount:{NAMESPACE}:{FULLNAME}");
        let subresource = if verb == "create" { "--subresource=token" } else { "--subresource=" };
        let ask = ["auth", "can-i", verb, "serviceaccounts/reader", subresource, "--namespace=shop", &account];
        eventually(&format!("{verb} to be {expected}"), PATIENCE, async || {
            Ok((self.plane.kubectl(ask).await.is_ok() == expected).then_some(()))
        })
        .await
    }

    /// Creates a store that reads as this ServiceAccount.
    async fn reads_as(&self, store: &str, account: &str) -> Result<()> {
        let metadata = json!({"name": store, "namespace": "shop"});
        let spec = json!({"identity": {"serviceAccountRef": {"name": account}}});
        let version = "secureparameter.io/v1alpha1";
        self.apply(&json!({"apiVersion": version, "kind": "ParameterStore", "metadata": metadata, "spec": spec})).await
    }

    /// Waits until the status of a store contains all these words.
    async fn store_says(&self, store: &str, words: &[&str]) -> Result<()> {
        let mut last = String::new();
        let said = eventually("the store to say what is missing", PATIENCE, async || {
            last = self.plane.kubectl(["get", "parameterstore", store, "--namespace=shop", "--output=json"]).await?;
            Ok(words.iter().all(|word| last.contains(word)).then_some(()))
        })
        .await;
        said.with_context(|| format!("expected {words:?}, last seen: {last}"))
    }
}
