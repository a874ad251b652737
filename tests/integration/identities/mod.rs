//! As whom stores read: roles, ServiceAccounts, sessions for each namespace, and the operator's own identity.

mod budget;
mod lifetimes;
mod namespaces;
mod own;
mod refusals;
mod roles;
mod service_accounts;
mod session_policy;
mod watched;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{
    fake_aws::{FakeAws, Role},
    wait::eventually,
};

use crate::support::{PATIENCE, World, tenant::TENANT};

/// Name of the cluster, as the operators of this group are told.
const CLUSTER: &str = "test";
/// The operations that start sessions or ask who calls.
const STS_OPERATIONS: [&str; 3] = ["AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity"];

/// ARN of a role in the tenant's account.
fn arn(name: &str) -> String {
    format!("arn:aws:iam::{TENANT}:role/{name}")
}

/// Adds a role of the tenant's account that everybody may assume and that may do everything.
fn add_role(aws: &FakeAws, name: &str) -> Role {
    let role = Role::new(TENANT, name);
    aws.add_role(role.clone());
    role
}

/// An object that reads `/{namespace}/a` from the cluster store with this name.
fn reading(world: &World, name: &str, store: &str) -> Value {
    world.object(name, &[("A", &world.path("a"))], &json!({"storeRef": {"name": store}}))
}

/// The same manifest for another namespace.
fn within(mut manifest: Value, namespace: &str) -> Value {
    manifest["metadata"]["namespace"] = json!(namespace);
    manifest
}

/// What AWS recorded of the calls that asked for a session of this role, oldest first.
fn sessions_of(aws: &FakeAws, role_arn: &str) -> Vec<Value> {
    let mut records = aws.records();
    records.retain(|record| record["requestParameters"]["roleArn"] == role_arn);
    records
}

/// The names of the sessions that were asked for.
fn session_names(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["requestParameters"]["roleSessionName"].as_str().unwrap_or_default()).collect()
}

/// How many calls of STS reached AWS, whatever their result.
fn sts_calls(aws: &FakeAws) -> usize {
    STS_OPERATIONS.iter().map(|operation| aws.calls(operation)).sum()
}

/// Waits until the operator has recorded each of these calls of STS, with what AWS recorded. AWS records a call before the
/// operator has the answer.
async fn audited(world: &World, records: &[Value]) -> Result<()> {
    eventually("the audit records", PATIENCE, async || compare(world, records).map(Some)).await
}

/// Compares the records of AWS with those of the operator.
fn compare(world: &World, records: &[Value]) -> Result<()> {
    ensure!(!records.is_empty(), "nothing to compare");
    let audit = world.operator().audit()?;
    for theirs in records {
        let is_same = |record: &&Value| record["cloudtrail"]["requestID"] == theirs["requestID"];
        let ours = audit.iter().find(is_same).with_context(|| format!("not in the audit stream: {theirs:#}"))?;
        let ours = &ours["cloudtrail"];
        let mut expected = theirs["requestParameters"].clone();
        // AWS derives these from the session of the caller.
        expected.as_object_mut().map(|fields| fields.remove("incomingTransitiveTags"));
        ensure!(ours["requestParameters"] == expected, "{ours:#} but {theirs:#}");
        for field in ["eventSource", "eventName", "awsRegion", "eventTime", "resources"] {
            ensure!(ours[field] == theirs[field], "{field}: {ours:#} but {theirs:#}");
        }
        for field in ["errorCode", "errorMessage"] {
            ensure!(ours.get(field) == theirs.get(field), "{field}: {ours:#} but {theirs:#}");
        }
    }
    Ok(())
}
