//! The main job with moto instead of our own fake: create, rotate, relabel, drift, restart, delete.
//!
//! moto returns parameters in random order and without their selectors, and returns plaintext although no decryption was
//! requested. The operator must match parameters by ARN, and must not keep that plaintext.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use secure_parameter_operator::api::{ClusterParameterStore, SecureParameter};
use serde_json::{Value, json};
use testbed::{moto::Moto, wait::eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{PATIENCE, World, object, store};

/// moto's account.
const ACCOUNT: &str = "123456789012";
/// The beginning of every value.
const PLAINTEXT: &str = "plaintext-";
/// More names than one call takes.
const MANY: usize = 11;

#[tokio::test]
async fn the_main_job_works_with_moto() -> Result<()> {
    let moto = Moto::start().await?;
    let mut world = World::without_operator().await?;
    world.set_environment(&moto.environment());
    world.unset_environment(&["AWS_SESSION_TOKEN"]);
    world.start_operator().await?;

    let mut values = created(&world, &moto).await?;
    rotated_and_relabelled(&world, &moto, &mut values).await?;
    drift_is_reverted(&world, &values).await?;
    no_value_is_kept(&world).await?;
    restarted(&mut world, &values).await?;
    deleted(&world, &moto, &values).await?;
    no_value_is_kept(&world).await?;
    assert_eq!(world.aws.calls("GetParameters"), 0, "the fake AWS was not called");
    Ok(())
}

/// Many pages, and a value that was encrypted before it was stored.
#[tokio::test]
async fn paths_and_kms_ciphertext_work_with_moto() -> Result<()> {
    let moto = Moto::start().await?;
    let mut world = World::without_operator().await?;
    let rule = json!({"name": "own-paths", "namespaces": {"from": "All"}, "parameters": ["/{namespace}/**"], "kmsDecryptKeys": ["*"]});
    world.apply(&store("default", &json!({"quota": {"requestsPerSecond": 1000}, "access": [rule]}))).await?;
    world.set_environment(&moto.environment());
    world.unset_environment(&["AWS_SESSION_TOKEN"]);
    world.start_operator().await?;
    let names: Vec<_> = (0..500).map(|number| format!("p{number:03}")).collect();
    for name in &names {
        let input = json!({"Name": format!("/shop/app/deep/{name}"), "Value": name, "Type": "SecureString"});
        ssm(&moto, "PutParameter", &input).await?;
    }
    ssm(&moto, "PutParameter", &json!({"Name": "/shop/application", "Value": "no", "Type": "String"})).await?;
    let path = json!([{"path": "/shop/app/", "recursive": true}]);
    world.apply(&object("checkout", &[], &json!({"data": [], "dataFrom": path}))).await?;
    let keys: Vec<_> = names.iter().map(|name| (format!("deep.{name}"), name.as_str())).collect();
    let expected: Vec<_> = keys.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    world.wait_for_secret("checkout", &expected).await.context("500 parameters, complete")?;
    assert_eq!(world.synced("checkout").await?.status.context("a status")?.parameter_count, Some(500));

    let key = call(&moto, KMS, "CreateKey", &json!({})).await?["KeyMetadata"]["KeyId"].clone();
    let context = json!({"app": "shop"});
    let input = json!({"KeyId": key, "Plaintext": "aGVsbG8=", "EncryptionContext": context});
    let sealed = call(&moto, KMS, "Encrypt", &input).await?["CiphertextBlob"].clone();
    ssm(&moto, "PutParameter", &json!({"Name": "/shop/sealed", "Value": sealed, "Type": "SecureString"})).await?;
    let entry = |context: &Value| {
        let kms_decrypt = json!({"keyID": key, "encryptionContext": context});
        object("sealed", &[], &json!({"data": [{"key": "K", "parameter": "/shop/sealed", "kmsDecrypt": kms_decrypt}]}))
    };
    world.apply(&entry(&context)).await?;
    world.wait_for_secret("sealed", &[("K", "hello")]).await?;
    world.apply(&entry(&json!({"app": "other"}))).await?;
    world.wait_for("sealed", "False", "CiphertextInvalid").await?;
    world.wait_for_secret("sealed", &[("K", "hello")]).await?;
    Ok(())
}

/// A role, a role for each namespace, and a token of a ServiceAccount for a role.
#[tokio::test]
async fn roles_and_service_accounts_work_with_the_sts_of_moto() -> Result<()> {
    let moto = Moto::start().await?;
    let mut world = World::without_operator().await?;
    world.set_environment(&moto.environment());
    world.unset_environment(&["AWS_SESSION_TOKEN"]);
    world.set_arguments(&["--cluster-name", "test"]);
    ssm(&moto, "PutParameter", &json!({"Name": "/shop/a", "Value": "alpha", "Type": "SecureString"})).await?;
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    let annotations = json!({"eks.amazonaws.com/role-arn": role("account")});
    let metadata = json!({"name": "reader", "namespace": "shop", "annotations": annotations});
    world.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await?;
    world.start_operator().await?;
    let chain = json!([{"roleARN": role("hub"), "externalID": "x-1", "sourceIdentity": "spo@test"}, {"roleARN": role("reader")}]);
    let tagged = json!([{"roleARN": role("shop-{namespace}"), "sessionTags": true}]);
    for (name, identity) in [
        ("chain", json!({"assumeRoles": chain})),
        ("tagged", json!({"assumeRoles": tagged, "sessionPolicy": "FromAccess"})),
        ("account", json!({"serviceAccountRef": {"namespace": "shop", "name": "reader"}})),
    ] {
        world.apply(&store(name, &json!({"identity": identity}))).await?;
        world.apply(&object(name, &[("A", "/shop/a")], &json!({"storeRef": {"name": name}}))).await?;
        world.synced(name).await.with_context(|| name)?;
        world.wait_for_secret(name, &[("A", "alpha")]).await?;
    }
    let readers = ["reader/spo-test-chain", "shop-shop/spo-test-shop-tagged", "account/spo-test-account"];
    let audit = Value::from(world.operator().audit()?).to_string();
    for reader in readers {
        let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{reader}");
        ensure!(audit.contains(&arn), "{arn} did not read");
    }
    assert_eq!(world.aws.calls("AssumeRole"), 0, "the fake AWS was not called");
    Ok(())
}

/// Keys of the Secret with their values.
type Values = Vec<(&'static str, String)>;

async fn holds(world: &World, values: &Values) -> Result<()> {
    let expected: Vec<_> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    world.wait_for_secret("checkout", &expected).await
}

fn set(values: &mut Values, key: &str, value: &str) {
    for (_, old) in values.iter_mut().filter(|(known, _)| *known == key) {
        value.clone_into(old);
    }
}

/// Creates many parameters and an object that reads them all, one of them by label too.
async fn created(world: &World, moto: &Moto) -> Result<Values> {
    const KEYS: [&str; MANY] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K"];
    let mut values: Values = KEYS.iter().map(|key| (*key, format!("{PLAINTEXT}{key}-1"))).collect();
    for (key, value) in &values {
        let kind = if *key == "K" { "String" } else { "SecureString" };
        ssm(moto, "PutParameter", &json!({"Name": format!("/shop/{key}"), "Value": value, "Type": kind})).await?;
    }
    label(moto, 1).await?;
    let entries = KEYS.iter().map(|key| json!({"key": key, "parameter": format!("/shop/{key}")}));
    let labelled = json!({"key": "LABELLED", "parameter": "/shop/A", "label": "prod"});
    let data: Vec<_> = entries.chain([labelled]).collect();
    world.apply(&object("checkout", &[], &json!({"data": data}))).await?;
    let synced = world.synced("checkout").await?;
    values.push(("LABELLED", "plaintext-A-1".to_owned()));
    holds(world, &values).await?;

    let status = synced.status.context("no status")?;
    assert_eq!(
        status.conditions[0].message,
        "Secret checkout holds 12 keys from 12 parameters. Not encrypted in Parameter Store, because they have type \
         String or StringList: /shop/K."
    );
    let arn = format!("arn:aws:ssm:eu-central-1:{ACCOUNT}:parameter/shop/A");
    let labels: Vec<_> = status.parameters.iter().filter(|p| p.arn == arn).map(|p| p.label.as_deref()).collect();
    assert_eq!(labels, [None, Some("prod")]);
    let stores: Api<ClusterParameterStore> = Api::all(world.client.clone());
    let identity = stores.get("default").await?.status.and_then(|status| status.identity).context("no identity")?;
    assert_eq!(identity.account, ACCOUNT);
    let event = world.event("checkout", "ParameterDecrypted", &[]).await?;
    assert!(event.note.is_some_and(|note| note.contains("parameter/shop/A version 1")));
    assert_eq!(decrypting_calls(world)?, 2, "ten names to a call");
    Ok(values)
}

/// A new version arrives, and the key of the label follows the label.
async fn rotated_and_relabelled(world: &World, moto: &Moto, values: &mut Values) -> Result<()> {
    let rotated = json!({"Name": "/shop/A", "Value": "plaintext-A-2", "Type": "SecureString", "Overwrite": true});
    ssm(moto, "PutParameter", &rotated).await?;
    set(values, "A", "plaintext-A-2");
    holds(world, values).await?;
    label(moto, 2).await?;
    set(values, "LABELLED", "plaintext-A-2");
    holds(world, values).await?;
    world.synced("checkout").await?;
    Ok(())
}

/// An edited or deleted Secret is restored.
async fn drift_is_reverted(world: &World, values: &Values) -> Result<()> {
    let secrets = world.api::<Secret>();
    let params = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    let edit = json!({"stringData": {"A": "tampered"}, "data": {"B": null}});
    secrets.patch("checkout", &params, &Patch::Merge(edit)).await?;
    holds(world, values).await?;
    secrets.delete("checkout", &DeleteParams::default()).await?;
    holds(world, values).await?;
    world.synced("checkout").await?;
    Ok(())
}

/// A restart checks the versions, and decrypts nothing.
async fn restarted(world: &mut World, values: &Values) -> Result<()> {
    let before = world.api::<Secret>().get("checkout").await?;
    world.stop_operator()?;
    world.start_operator().await?;
    eventually("the operator to check the versions", PATIENCE, async || {
        Ok((calls(world, false)?.len() >= 2).then_some(()))
    })
    .await?;
    world.synced("checkout").await?;
    holds(world, values).await?;
    assert_eq!(decrypting_calls(world)?, 0);
    assert_eq!(world.api::<Secret>().get("checkout").await?, before);
    Ok(())
}

/// A deleted parameter is reported, and the Secret is kept.
async fn deleted(world: &World, moto: &Moto, values: &Values) -> Result<()> {
    ssm(moto, "DeleteParameter", &json!({"Name": "/shop/B"})).await?;
    let object = world.wait_for("checkout", "False", "ParameterNotFound").await?;
    let message = &object.status.context("no status")?.conditions[0].message;
    assert!(message.contains("/shop/B") && message.contains(ACCOUNT), "{message}");
    assert!(!message.contains("/shop/A") && !message.contains("/shop/C"), "{message}");
    holds(world, values).await
}

/// No value is anywhere but in the Secret, although moto returns it with every version check.
async fn no_value_is_kept(world: &World) -> Result<()> {
    ensure!(!calls(world, false)?.is_empty(), "no version check yet");
    let object = serde_json::to_string(&world.api::<SecureParameter>().get("checkout").await?)?;
    let events = serde_json::to_string(&world.events("checkout").await?)?;
    let secret = serde_json::to_string(&world.api::<Secret>().get("checkout").await?.metadata)?;
    let metrics = world.operator().get("/metrics").await?.1;
    let audit = Value::from(world.operator().audit()?).to_string();
    for text in [object, events, secret, metrics, audit, world.operator().log()?] {
        ensure!(!text.contains(PLAINTEXT), "a value is in: {text}");
    }
    Ok(())
}

/// The operator's calls of `GetParameters` with or without decryption, by its own audit records.
fn calls(world: &World, decrypting: bool) -> Result<Vec<Value>> {
    let mut records = world.operator().audit()?;
    records.retain(|record| record["cloudtrail"]["requestParameters"]["withDecryption"] == decrypting);
    Ok(records)
}

fn decrypting_calls(world: &World) -> Result<usize> {
    Ok(calls(world, true)?.len())
}

/// Puts the label `prod` onto a version of `/shop/A`.
async fn label(moto: &Moto, version: i64) -> Result<()> {
    let input = json!({"Name": "/shop/A", "ParameterVersion": version, "Labels": ["prod"]});
    ssm(moto, "LabelParameterVersion", &input).await
}

/// Calls an operation of Parameter Store.
async fn ssm(moto: &Moto, operation: &str, input: &Value) -> Result<()> {
    call(moto, ("ssm", "AmazonSSM"), operation, input).await.map(drop)
}

/// Name of KMS in signatures, and in the names of its operations.
const KMS: (&str, &str) = ("kms", "TrentService");

/// Calls an operation. moto accepts any signature, and reads the name of the service from it.
async fn call(moto: &Moto, (service, prefix): (&str, &str), operation: &str, input: &Value) -> Result<Value> {
    let url = moto.url();
    let address = url.strip_prefix("http://").context("an address")?;
    let body = input.to_string();
    // HTTP/1.0, so that the response ends with the connection.
    let request = format!(
        "POST / HTTP/1.0\r\nHost: {address}\r\nX-Amz-Target: {prefix}.{operation}\r\nContent-Type: \
         application/x-amz-json-1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=testing/20260101/eu-central-1/{service}/\
         aws4_request, SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    ensure!(status == "200", "{operation}: {answer}");
    let (_, body) = answer.split_once("\r\n\r\n").context("a body")?;
    Ok(serde_json::from_str(body)?)
}
