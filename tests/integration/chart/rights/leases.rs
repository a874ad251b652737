//! The rights on the Lease.

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::{Value, json};
use testbed::wait::eventually;

use super::{VALUES, until};
use crate::chart::{FULLNAME, NAMESPACE, installation::Installation};
use crate::support::{Operator, PATIENCE, chart::account_kubeconfig};

/// So long that nobody looks at the Lease during the test but because of a watch.
const LONG: &str = "--set=leaderElection.leaseDuration=600s";
/// Name of the Lease.
const NAME: &str = "secure-parameter-operator";

/// Without `get`, `create` or `update` an operator never leads, and says why. Without `list` or `watch` it does not see that
/// the Lease was released, and another one takes it first; neither does it see other operators.
#[tokio::test]
async fn each_right_on_the_lease_is_needed() -> Result<()> {
    let mut world = Installation::start(&["shop"], &[VALUES, &[LONG]].concat()).await?;
    let all = world.lease_rules().await?;
    for verb in ["get", "create"] {
        never_leads(&mut world, &all, verb).await?;
    }
    let leader = world.operator().await?;
    world.leads(&leader).await?;
    world.stop(&leader)?;
    never_leads(&mut world, &all, "update").await?;

    let leader = world.launch(&world.kubeconfig().await?, &[]).await?;
    world.leads(&leader).await?;
    let mut blind = Vec::new();
    for verb in ["list", "watch"] {
        let operator = world.without_lease_right(&all, verb).await?;
        until("stands by", async || operator.log()).await?;
        until("The operator may not list and watch leases,", async || operator.log()).await?;
        blind.push(operator);
    }
    let standby = world.launch(&world.kubeconfig().await?, &[]).await?;
    until("stands by", async || standby.log()).await?;
    world.stop(&leader)?;
    world.leads(&standby).await?;
    for operator in blind {
        assert!(!operator.log()?.contains("became the leader"), "{}", operator.log()?);
    }
    Ok(())
}

/// Checks that an operator without this right never leads, and says that it lacks it.
async fn never_leads(world: &mut Installation, all: &Value, verb: &str) -> Result<()> {
    let operator = world.without_lease_right(all, verb).await?;
    let words = format!("cannot {verb} resource \\\"leases\\\"");
    until(&words, async || operator.log()).await?;
    let (status, page) = operator.get("/readyz").await?;
    assert!(status == 503 && page.contains("may not use the Lease"), "{page}");
    world.stop(&operator).map(drop)
}

impl Installation {
    /// The rules of the chart's Role on the Lease.
    async fn lease_rules(&self) -> Result<Value> {
        let role = format!("{FULLNAME}-lease");
        let rules = ["get", "role", &role, "--namespace", NAMESPACE, "--output=jsonpath={.rules}"];
        Ok(serde_json::from_str(&self.plane.kubectl(rules).await?)?)
    }

    /// Starts an operator with all rights of the chart but this one on the Lease.
    async fn without_lease_right(&mut self, all: &Value, verb: &str) -> Result<Operator> {
        let account = format!("without-{verb}");
        let mut rules = all.clone();
        for rule in rules.as_array_mut().context("rules")? {
            rule["verbs"].as_array_mut().context("verbs")?.retain(|granted| granted != verb);
        }
        rules.as_array_mut().context("rules")?.retain(|rule| rule["verbs"] != json!([]));
        let metadata = json!({"name": account, "namespace": NAMESPACE});
        let version = "rbac.authorization.k8s.io/v1";
        self.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await?;
        self.apply(&json!({"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules})).await?;
        let subject = format!("--serviceaccount={NAMESPACE}:{account}");
        let role = ["--role", &account, &subject, "--namespace", NAMESPACE];
        self.plane.kubectl([&["create", "rolebinding", &account], role.as_slice()].concat()).await?;
        let bind = ["create", "clusterrolebinding", &account, "--clusterrole", FULLNAME, &subject];
        self.plane.kubectl(bind).await?;
        self.lease_rights_act(&account, verb).await?;
        let kubeconfig = account_kubeconfig(&self.plane, NAMESPACE, &account).await?;
        self.launch(&kubeconfig, &[]).await
    }

    /// Waits until the API server knows the rights of an account, which takes it a moment.
    async fn lease_rights_act(&self, account: &str, missing: &str) -> Result<()> {
        let account = format!("--as=system:serviceaccount:{NAMESPACE}:{account}");
        let verb = if missing == "update" { "get" } else { "update" };
        let lease = format!("leases.coordination.k8s.io/{NAME}");
        let ask = ["auth", "can-i", verb, &lease, "--namespace", NAMESPACE, &account];
        eventually("the rights to act", PATIENCE, async || Ok(self.plane.kubectl(ask).await.is_ok().then_some(())))
            .await
    }

    /// Waits until this operator is the last that became the leader, and the Lease says that somebody is.
    async fn leads(&self, operator: &Operator) -> Result<()> {
        until("became the leader", async || operator.log()).await?;
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), NAMESPACE);
        let holder = leases.get(NAME).await?.spec.and_then(|spec| spec.holder_identity);
        assert!(holder.is_some_and(|holder| !holder.is_empty()), "the Lease has no holder");
        Ok(())
    }
}
