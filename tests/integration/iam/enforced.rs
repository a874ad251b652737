//! The policies that the command prints for a cluster, enforced by the fake AWS.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use kube::api::ListParams;
use secure_parameter_operator::api::SecureParameter;
use serde_json::{Value, json};
use testbed::{
    fake_aws::{Identity, PutOptions, Statement, parse_policy},
    wait::eventually,
};

use super::{identities, of_store};
use crate::support::{PATIENCE, World, echoed, force, ready, store};

/// The access key in `examples/tenant.yaml`.
const TENANT: (&str, &str) = ("AKIAEXAMPLE", "replace-me");

/// All examples in a cluster, with their parameters in the fake AWS.
struct Examples {
    world: World,
    names: Vec<String>,
    tenant: Identity,
    rounds: usize,
}

impl Examples {
    async fn start() -> Result<Self> {
        let world = World::without_operator().await?;
        for alias in ["shop-values", "shop-sealed"] {
            world.aws.create_key(alias);
        }
        let tenant = Identity {
            access_key_id: TENANT.0.to_owned(),
            secret_access_key: TENANT.1.to_owned(),
            ..Identity::user(crate::support::ACCOUNT, "tenant")
        };
        world.aws.add_identity(tenant.clone());
        for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"))? {
            let path = file?.path();
            // Those of folders are for other tools.
            if path.is_dir() {
                continue;
            }
            let manifest = fs::read_to_string(path)?;
            world.plane.kubectl_stdin(["apply", "-f", "-"], &manifest).await?;
        }
        // What the comment in kms-decrypt.yaml asks for.
        let keys = json!(["alias/shop-sealed"]);
        let rule = json!({"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"], "kmsDecryptKeys": keys});
        world.apply(&store("default", &json!({ "access": [rule] }))).await?;
        let objects = world.api::<SecureParameter>().list(&ListParams::default()).await?;
        let names = objects.items.into_iter().filter_map(|object| object.metadata.name).collect();
        let mut examples = Self { world, names, tenant, rounds: 0 };
        examples.write();
        examples.world.start_operator().await?;
        for name in &examples.names {
            examples.world.synced(name).await?;
        }
        Ok(examples)
    }

    /// Writes new versions of all parameters, so that all of them have to be read and decrypted.
    fn write(&mut self) {
        self.rounds += 1;
        let (aws, round) = (&self.world.aws, self.rounds);
        let put = |name: &str, value: &str| {
            aws.put_with(name, value, PutOptions { key: Some("alias/shop-values".into()), ..PutOptions::default() });
        };
        for name in ["db-password", "api-token", "api-password", "db-host", "licence", "app/db/password", "app/token"] {
            put(&format!("/shop/checkout/{name}"), &format!("value-{round}"));
        }
        put("/tenant/token", &format!("value-{round}"));
        put("/shop/checkout/db", &json!({"password": round.to_string(), "ca": "LS0t"}).to_string());
        put("/shop/checkout/config", &json!({"level": round.to_string()}).to_string());
        put("/shop/checkout/env", &format!("LEVEL={round}"));
        let sealed = json!({"keystore": "LS0t", "round": round}).to_string();
        put("/shop/checkout/sealed", &aws.encrypt("alias/shop-sealed", &[("app", "shop")], sealed.as_bytes()));
        let secret = json!({"password": round.to_string()}).to_string();
        aws.put_secret_with_key("shop/db", &secret, "alias/shop-values");
        aws.label("/shop/checkout/licence", i64::try_from(round).expect("a version"), "prod");
    }

    /// Limits the operator and the tenant to these statements.
    fn enforce(&self, operator: &[Statement], tenant: &[Statement]) {
        self.world.aws.set_policy(Some(operator.to_vec()));
        self.world.aws.add_identity(self.tenant.clone().with_policy(tenant.to_vec()));
    }

    /// Reads everything anew. Returns whether all objects are in sync afterwards.
    async fn sync(&mut self) -> Result<bool> {
        self.write();
        let mut tokens = Vec::new();
        for name in &self.names {
            tokens.push(force(&self.world, name).await?);
        }
        let mut in_sync = true;
        for (name, token) in self.names.iter().zip(&tokens) {
            let api = self.world.api::<SecureParameter>();
            let what = format!("{name} to be read or denied");
            let is_good = eventually(&what, PATIENCE, async || {
                let object = api.get(name).await?;
                let ready = ready(&object).context("no condition")?;
                if matches!(ready.reason.as_str(), "AccessDenied" | "DecryptDenied") {
                    return Ok(Some(false));
                }
                let handled = crate::support::handled_sync(&object) == Some(token.as_str());
                Ok((handled && ready.reason == "Synced").then_some(true))
            });
            in_sync &= is_good.await?;
        }
        Ok(in_sync)
    }

    /// Waits until everything was read.
    async fn recover(&mut self) -> Result<()> {
        self.write();
        for name in self.names.clone() {
            let token = force(&self.world, &name).await?;
            echoed(&self.world, &name, &token).await?;
            self.world.synced(&name).await?;
        }
        Ok(())
    }
}

/// The statements of a policy of a store, each with its name.
fn statements(identities: &[Value], store: &str, policy: &str) -> Result<Vec<(String, Statement)>> {
    let policy = &of_store(identities, store)?["documents"][policy];
    let named = policy["Statement"].as_array().context("statements")?.iter().map(|statement| {
        let document = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let mut parsed = parse_policy(&document)?;
        Ok((format!("{} of {store}", statement["Sid"]), parsed.remove(0)))
    });
    named.collect()
}

#[tokio::test]
async fn the_printed_policy_is_enough_and_nothing_of_it_is_needless() -> Result<()> {
    let mut examples = Examples::start().await?;
    let kubeconfig = examples.world.plane.kubeconfig().to_owned();
    let printed = identities(&kubeconfig, &[], "").await?;
    for identity in &printed {
        assert_eq!((&identity["notes"], &identity["account"]), (&json!([]), &json!(crate::support::ACCOUNT)));
    }
    let mut all = statements(&printed, "default", "policy")?;
    all.extend(statements(&printed, "secrets-manager", "policy")?);
    // Optional in general, but here a customer managed key encrypts the secret.
    let optional = statements(&printed, "secrets-manager", "optionalPolicy")?;
    all.extend(optional.into_iter().filter(|(name, _)| name.contains("DecryptSecrets")));
    let operators = all.len();
    all.extend(statements(&printed, "own-account", "policy")?);
    ensure!(all.len() >= 9, "only {} statements", all.len());
    let without = |left_out: Option<usize>| {
        let kept = |from: usize, to: usize| {
            (from..to).filter(|at| Some(*at) != left_out).map(|at| all[at].1.clone()).collect::<Vec<_>>()
        };
        (kept(0, operators), kept(operators, all.len()))
    };

    let (operator, tenant) = without(None);
    examples.enforce(&operator, &tenant);
    assert!(examples.sync().await?, "the printed policy is not enough");
    for (at, (name, _)) in all.iter().enumerate() {
        let (fewer, fewer_of_tenant) = without(Some(at));
        examples.enforce(&fewer, &fewer_of_tenant);
        assert!(!examples.sync().await?, "{name} is not needed");
        examples.enforce(&operator, &tenant);
        examples.recover().await?;
    }
    Ok(())
}
