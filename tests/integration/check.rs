//! The command `check`: what works, what does not, and what to do.

use std::{collections::BTreeMap, env, process::Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::fake_aws::{DEFAULT_ACCOUNT, PutOptions, Role};
use tokio::{process::Command, time::timeout};

use crate::support::{
    PATIENCE, World,
    chart::{FULLNAME, NAMESPACE, account_kubeconfig, rendered},
    store,
    tenant::{TENANT, namespaced_store, put_for_tenant, secret_of, tenant},
};

/// A part of every value, which no output may contain.
const VALUE: &str = "must-never-be-shown";

/// What the command did.
#[derive(Debug)]
struct Outcome {
    code: i32,
    output: String,
    error: String,
}

/// Runs the command against the fake AWS. `variables` change its environment; empty ones are unset.
async fn run(world: &World, variables: &[(&str, &str)], arguments: &[&str]) -> Result<Outcome> {
    let mut variables: BTreeMap<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let kubeconfig = ("KUBECONFIG".to_owned(), world.plane.kubeconfig().display().to_string());
    for (name, value) in world.aws.environment().into_iter().chain([kubeconfig]) {
        variables.entry(name).or_insert(value);
    }
    variables.retain(|_, value| !value.is_empty());
    let mut command = Command::new(env!("CARGO_BIN_EXE_secure-parameter-operator"));
    command.arg("check").args(arguments).env_clear().envs(variables);
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = timeout(PATIENCE, command.output()).await.context("the command does not end")??;
    let (output, error) = (String::from_utf8(ended.stdout)?, String::from_utf8(ended.stderr)?);
    ensure!(!output.contains(VALUE) && !error.contains(VALUE), "a value leaked: {output}{error}");
    let secret = world.aws.default_identity().secret_access_key;
    ensure!(!output.contains(&secret) && !error.contains(&secret), "a secret leaked: {output}{error}");
    Ok(Outcome { code: ended.status.code().context("a signal ended the command")?, output, error })
}

/// What was found of one store: each check with its result, its reason and its message.
struct Found(Vec<Value>);

impl Found {
    /// Runs the command for this store, and checks that its exit status says whether the store works.
    async fn of(world: &World, variables: &[(&str, &str)], store: &str) -> Result<Self> {
        let outcome = run(world, variables, &["--output", "json", "--store", store]).await?;
        ensure!(outcome.error.is_empty(), "{outcome:?}");
        let mut report: Value = serde_json::from_str(&outcome.output)?;
        let is_ok = report["ok"].as_bool().context("ok")?;
        assert_eq!(outcome.code, i32::from(!is_ok), "{}", outcome.output);
        let found = &mut report["stores"][0];
        assert_eq!((&found["name"], &found["ok"]), (&json!(store), &json!(is_ok)));
        let Value::Array(checks) = found["checks"].take() else { anyhow::bail!("no checks: {}", outcome.output) };
        assert_eq!(is_ok, checks.iter().all(|check| check["result"] != "Failed"), "{}", outcome.output);
        Ok(Self(checks))
    }

    /// Checks, with their namespace in parentheses, and results.
    fn results(&self) -> Vec<(String, &str)> {
        let result = |check: &'_ Value| -> String {
            let name = check["check"].as_str().unwrap_or_default();
            check["namespace"].as_str().map_or_else(|| name.to_owned(), |namespace| format!("{name} ({namespace})"))
        };
        self.0.iter().map(|check| (result(check), check["result"].as_str().unwrap_or_default())).collect()
    }

    fn has(&self, expected: &[(&str, &str)]) {
        let results = self.results();
        let results: Vec<_> = results.iter().map(|(check, result)| (check.as_str(), *result)).collect();
        assert_eq!(results, expected, "{:#?}", self.0);
    }

    /// Checks that exactly one check failed, for this reason, with all of this in its message.
    fn fails(&self, check: &str, reason: &str, parts: &[&str]) {
        let failed: Vec<_> = self.0.iter().filter(|check| check["result"] == "Failed").collect();
        assert_eq!(failed.len(), 1, "{:#?}", self.0);
        assert_eq!((&failed[0]["check"], &failed[0]["reason"]), (&json!(check), &json!(reason)), "{:#?}", self.0);
        let message = failed[0]["message"].as_str().unwrap_or_default();
        for part in parts {
            assert!(message.contains(part), "{message} lacks {part}");
        }
    }
}

/// A world without operator, whose objects read two parameters with keys of their own, a plain one, and a path.
async fn world() -> Result<(World, [String; 2])> {
    let world = World::without_operator().await?;
    let keys = ["one", "two"].map(|name| {
        let key = world.aws.create_key(name);
        let options = || PutOptions { key: Some(format!("alias/{name}")), ..PutOptions::default() };
        world.aws.put_with(&format!("/shop/{name}"), VALUE, options());
        key
    });
    world.aws.put("/shop/tree/a", VALUE);
    world.apply(&world.object("first", &[("A", "/shop/one"), ("B", "/shop/absent")], &json!({}))).await?;
    let second = json!({"data": [{"key": "A", "parameter": "/shop/two"}], "storeRef": {"name": "second"}});
    world.apply(&world.object("second", &[], &second)).await?;
    world.apply(&store("second", &json!({}))).await?;
    let paths = json!({"data": [], "dataFrom": [{"path": "/shop/tree"}]});
    world.apply(&world.object("tree", &[], &paths)).await?;
    Ok((world, keys))
}

const WORKS: [(&str, &str); 6] = [
    ("objects", "Ok"),
    ("credentials", "Ok"),
    ("endpoint", "Ok"),
    ("ssm:GetParametersByPath", "Ok"),
    ("ssm:GetParameters", "Ok"),
    ("kms:Decrypt", "Ok"),
];

#[tokio::test]
async fn what_works_is_told_with_few_calls_and_nothing_is_written() -> Result<()> {
    let (world, _) = world().await?;
    for number in 0..40 {
        let name = format!("/shop/many/{number}");
        world.aws.put(&name, VALUE);
        world.apply(&world.object(&format!("many-{number}"), &[("A", &name)], &json!({}))).await?;
    }
    let before = world.versions().await?;
    let found = Found::of(&world, &[], "default").await?;
    found.has(&WORKS);
    let message =
        |check: &str| found.0.iter().find(|found| found["check"] == check).expect("a check")["message"].to_string();
    assert!(message("objects").contains("42 read from this store in shop"), "{}", message("objects"));
    assert!(message("credentials").contains(&world.aws.default_identity().arn), "{}", message("credentials"));
    assert!(message("ssm:GetParameters").contains("; not found: /shop/absent"), "{}", message("ssm:GetParameters"));
    // Thirty of 43 names, and one call that decrypts.
    assert_eq!((world.aws.calls("GetParameters"), world.aws.calls("GetParametersByPath")), (4, 1));
    assert_eq!(world.aws.decrypts(), 1, "no key is known yet, so one parameter stands for the namespace");
    assert_eq!(world.versions().await?, before);
    let text = run(&world, &[], &[]).await?;
    assert_eq!((text.code, text.error.as_str()), (0, ""));
    for part in ["ClusterParameterStore default\n", "  ok      kms:Decrypt  ", "Everything that was tried works.\n"] {
        assert!(text.output.contains(part), "{} lacks {part}", text.output);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_denied_is_told_with_the_remedy() -> Result<()> {
    let (world, [_, key]) = world().await?;
    let arn = world.aws.parameter_arn("/shop/one");
    let rule = world.aws.deny("ssm:GetParameters", &arn);
    let found = Found::of(&world, &[], "default").await?;
    found.fails(
        "ssm:GetParameters",
        "AccessDenied",
        &["may not call ssm:GetParameters; allow ssm:GetParameters on", &arn],
    );
    assert_eq!(found.results().last(), Some(&("kms:Decrypt".to_owned(), "Ok")), "the others are tried");
    world.aws.undeny(rule);

    let rule = world.aws.deny("kms:Decrypt", &key);
    let found = Found::of(&world, &[], "second").await?;
    found.fails("kms:Decrypt", "DecryptDenied", &["may not call kms:Decrypt", &key]);
    Found::of(&world, &[], "default").await?.has(&WORKS);
    world.aws.undeny(rule);

    let rule = world.aws.deny("ssm:GetParametersByPath", "*");
    let found = Found::of(&world, &[], "default").await?;
    found.fails("ssm:GetParametersByPath", "AccessDenied", &["ssm:GetParametersByPath", "parameter/shop/tree"]);
    world.aws.undeny(rule);
    let text = run(&world, &[], &["--store", "second"]).await?;
    assert_eq!(text.code, 0, "{}", text.output);
    Ok(())
}

/// The operator asks for the key first. The command does not, so it must not decrypt.
#[tokio::test]
async fn what_is_granted_with_certain_keys_only_is_not_decrypted() -> Result<()> {
    let (world, _) = world().await?;
    let rule =
        json!({"name": "keyed", "namespaces": {"from": "All"}, "parameters": ["/shop/**"], "kmsKeys": ["alias/two"]});
    world.apply(&store("keyed", &json!({"access": [rule]}))).await?;
    world.apply(&world.object("keyed", &[("A", "/shop/one")], &json!({"storeRef": {"name": "keyed"}}))).await?;
    let found = Found::of(&world, &[], "keyed").await?;
    assert_eq!(found.results().last(), Some(&("kms:Decrypt".to_owned(), "Skipped")), "{:#?}", found.0);
    assert_eq!((world.aws.calls("GetParameters"), world.aws.decrypts()), (1, 0));
    Ok(())
}

#[tokio::test]
async fn credentials_regions_and_endpoints_are_told_apart() -> Result<()> {
    let (world, _) = world().await?;
    let unknown = [("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN"), ("AWS_SESSION_TOKEN", "")];
    Found::of(&world, &unknown, "default").await?.fails("credentials", "CredentialsInvalid", &["renew them"]);
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ("AWS_SESSION_TOKEN", "")];
    Found::of(&world, &none, "default").await?.fails("credentials", "CredentialsInvalid", &["ServiceAccount a role"]);
    Found::of(&world, &[("AWS_REGION", "")], "default").await?.fails("region", "StoreNotReady", &["AWS_REGION"]);
    // Nothing listens there.
    let nowhere = "http://127.0.0.1:9";
    let found = Found::of(&world, &[("AWS_ENDPOINT_URL", nowhere)], "default").await?;
    found.fails("endpoint", "EndpointUnreachable", &["No answer from AWS", "check DNS"]);
    let found = Found::of(&world, &[("AWS_ENDPOINT_URL_SSM", nowhere)], "default").await?;
    found.has(&[("objects", "Ok"), ("credentials", "Ok"), ("endpoint", "Failed")]);
    world.apply(&namespaced_store(&world, "own", "absent")).await?;
    Found::of(&world, &[], "own").await?.fails("credentials", "StoreNotReady", &["Secret shop/absent", "create it"]);
    let all = run(&world, &[], &[]).await?;
    assert_eq!(all.code, 1, "one store of three does not work");
    assert!(all.output.contains("Something does not work in 1 of 3 stores."), "{}", all.output);
    Ok(())
}

#[tokio::test]
async fn each_namespace_is_checked_in_its_own_session() -> Result<()> {
    let world = World::without_operator().await?;
    let hub = Role::new(DEFAULT_ACCOUNT, "hub");
    world.aws.add_role(hub.clone());
    world.aws.add_role(Role::new(TENANT, "reader-shop"));
    world.aws.add_role(Role { trusted: Vec::new(), ..Role::new(TENANT, "reader-other") });
    let roles = json!([{"roleARN": hub.arn}, {"roleARN": format!("arn:aws:iam::{TENANT}:role/reader-{{namespace}}")}]);
    world.apply(&store("roles", &json!({"identity": {"assumeRoles": roles}}))).await?;
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}})).await?;
    for namespace in ["other", "shop"] {
        let name = format!("/{namespace}/a");
        put_for_tenant(&world, &name, VALUE);
        let mut object = world.object("checkout", &[("A", &name)], &json!({"storeRef": {"name": "roles"}}));
        object["metadata"]["namespace"] = json!(namespace);
        world.apply(&object).await?;
    }
    let found = Found::of(&world, &[], "roles").await?;
    found.has(&[
        ("objects", "Ok"),
        ("credentials", "Ok"),
        ("credentials (other)", "Failed"),
        ("credentials (shop)", "Ok"),
        ("endpoint (shop)", "Ok"),
        ("ssm:GetParameters (shop)", "Ok"),
        ("kms:Decrypt (shop)", "Ok"),
    ]);
    found.fails("credentials", "AccessDenied", &["sts:AssumeRole", "role/reader-other", "trust policy"]);
    let shop = run(&world, &[], &["--namespace", "shop", "--cluster-name", "blue"]).await?;
    assert_eq!(shop.code, 0, "{}", shop.output);
    assert!(!shop.output.contains("ClusterParameterStore default"), "nothing of the namespace reads from it");
    assert!(shop.output.contains("assumed-role/reader-shop/spo-blue-shop-roles"), "{}", shop.output);
    Ok(())
}

#[tokio::test]
async fn without_objects_nothing_is_read_and_nothing_fails() -> Result<()> {
    let world = World::without_operator().await?;
    let found = Found::of(&world, &[], "default").await?;
    found.has(&[("objects", "Skipped"), ("credentials", "Ok")]);
    assert_eq!((world.aws.calls("GetParameters"), world.aws.decrypts()), (0, 0));
    // What may not be read is not read, and what reads nothing at present is not checked.
    world.apply(&world.object("thief", &[("A", "/other/a")], &json!({}))).await?;
    world.apply(&world.object("asleep", &[("A", "/shop/a")], &json!({"suspend": true}))).await?;
    let found = Found::of(&world, &[], "default").await?;
    found.has(&[("objects", "Skipped"), ("credentials", "Ok")]);
    let message = found.0[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("1 more may not read, the first is shop/thief"), "{message}");
    assert_eq!(world.aws.calls("GetParameters"), 0);

    world.apply(&world.object("lost", &[("A", "/shop/a")], &json!({"storeRef": {"name": "absent"}}))).await?;
    Found::of(&world, &[], "absent").await?.fails("spec", "StoreNotFound", &["absent does not exist; create it"]);
    let none = run(&world, &[], &["--store", "nobody-names-it"]).await?;
    assert_eq!((none.code, none.output.as_str()), (1, ""));
    assert!(none.error.contains("No store was found to check"), "{}", none.error);
    assert_eq!(run(&world, &[], &["--namespace", "No Name"]).await?.code, 2);
    Ok(())
}

/// Creates the ServiceAccount and the roles of the chart with these values. Returns a kubeconfig of the account.
async fn as_operator(world: &World, values: &str) -> Result<String> {
    let values = format!("--set=crds.install=false,rbac.aggregate=false,admissionPolicies.create=false,{values}");
    for object in rendered(&[&values]).await?.iter().filter(|object| object["kind"] != "Deployment") {
        world.apply(object).await?;
    }
    Ok(account_kubeconfig(&world.plane, NAMESPACE, FULLNAME).await?.display().to_string())
}

#[tokio::test]
async fn the_rights_of_the_operator_suffice() -> Result<()> {
    let (world, _) = world().await?;
    world.apply(&secret_of(&world, "aws", &tenant(&world))).await?;
    world.apply(&namespaced_store(&world, "own", "aws")).await?;
    put_for_tenant(&world, "/shop/theirs", VALUE);
    let own = json!({"storeRef": {"kind": "ParameterStore", "name": "own"}});
    world.apply(&world.object("own", &[("A", "/shop/theirs")], &own)).await?;
    world.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})).await?;

    let kubeconfig = as_operator(&world, "namespaces={shop},rbac.clusterStores=false").await?;
    let variables = [("KUBECONFIG", kubeconfig.as_str())];
    let outcome = run(&world, &variables, &["--namespaces", "shop"]).await?;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let hidden =
        "FAILED  spec               ClusterParameterStore default cannot be used, because the operator may not read";
    for part in [hidden, "ParameterStore shop/own\n", "in 2 of 3 stores"] {
        assert!(outcome.output.contains(part), "{} lacks {part}", outcome.output);
    }
    let everywhere = run(&world, &variables, &[]).await?;
    assert_eq!((everywhere.code, everywhere.output.as_str()), (1, ""));
    assert!(everywhere.error.contains("Cannot list secureparameters"), "{}", everywhere.error);

    as_operator(&world, "restart.enabled=false").await?;
    let outcome = run(&world, &variables, &[]).await?;
    assert_eq!((outcome.code, outcome.error.as_str()), (0, ""), "{}", outcome.output);
    Ok(())
}
