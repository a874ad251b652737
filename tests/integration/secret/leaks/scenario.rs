//! A world with values that must not appear, in reads that succeed and in reads that fail.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::api::PostParams;
use serde_json::{Value, json};
use testbed::fake_aws::{DEFAULT_ACCOUNT, FakeAws, Fault, Identity, KeyState, PutOptions, Tier};

use super::forms::Canary;
use crate::support::{World, object, store};

/// The most verbose filter, with directives more specific than those that the operator limits.
const FILTER: &str = "trace,aws_smithy_runtime::client=trace,aws_config::provider_config=trace,\
    aws_sdk_ssm::operation=trace,aws_sdk_sts::operation=trace,aws_sigv4::http_request=trace,\
    aws_runtime::auth=trace,hyper::proto=trace,hyper_util::client=trace,kube_client::client=trace";
/// Number of keys of eight kilobytes each that exceeds the size of a Secret.
const TOO_MANY: usize = 140;

/// Values of parameters, by name below `/shop/`.
const VALUES: &[(&str, &str)] = &[
    ("plain", "Tr0ub4dor & <3> \"quoted\\\" canary-plain-5130"),
    ("json", r#"{"user":"canary-json-user-7781","password":"canary-json-pass-2245"}"#),
    ("unicode", "Schlüssel-κλειδί-鍵-🗝-canary-4410"),
    ("short", "q7Xw9Kp2"),
    ("docker", "canary-docker-9902-is-not-JSON"),
    ("denied", "canary-denied-7070"),
];

/// The rotated value of `short`.
pub const ROTATED: &str = "canary-rotated-6408";

/// Objects with the status and reason that they reach.
pub const ENDS: &[(&str, &str, &str)] = &[
    ("good", "True", "Synced"),
    ("tenant", "True", "Synced"),
    ("denied", "False", "AccessDenied"),
    ("disabled", "False", "KeyUnavailable"),
    ("huge", "False", "SecretTooLarge"),
    ("docker", "False", "ValueError"),
    ("tls", "False", "InvalidSpec"),
    ("taken", "False", "SecretConflict"),
    ("direct", "True", "Synced"),
    ("path", "False", "ValueError"),
    ("encoded", "False", "ValueError"),
    ("fields", "False", "ValueError"),
    ("lines", "False", "ValueError"),
    ("composed", "True", "Synced"),
    ("template", "False", "TemplateError"),
    ("undefined", "False", "TemplateError"),
    ("below", "True", "Synced"),
    ("sealed", "True", "Synced"),
    ("unsealed", "False", "CiphertextInvalid"),
    ("reference", "True", "Synced"),
];

/// Creates parameters, credentials and Secrets. Returns the world without its operator, and the values that must not
/// appear.
pub async fn prepare() -> Result<(World, Vec<Canary>)> {
    let mut world = World::without_operator().await?;
    world.set_arguments(&["--log-filter", FILTER]);
    let mut canaries = put_parameters(&world.aws);
    canaries.extend(create_credentials(&world).await?);
    create_secret(&world, "taken", &[("VALUE", b"canary-foreign-3317")]).await?;
    canaries.push(Canary::new("the value of a foreign Secret", "canary-foreign-3317"));
    Ok((world, canaries))
}

fn put_parameters(aws: &FakeAws) -> Vec<Canary> {
    let lines = |name: &str, count: usize| (0..count).map(|n| format!("canary-{name}-{n:05}")).collect::<Vec<_>>();
    let (long, large) = (lines("long", 200).join("\n"), lines("large", 400).join("\n"));
    let key = aws.create_key("disabled");
    let advanced = PutOptions { tier: Some(Tier::Advanced), ..PutOptions::default() };
    let keyed = PutOptions { key: Some("alias/disabled".to_owned()), ..PutOptions::default() };
    for (name, value) in VALUES {
        aws.put(&format!("/shop/{name}"), value);
    }
    aws.create_key("direct");
    let direct = PutOptions { key: Some("alias/direct".to_owned()), ..PutOptions::default() };
    aws.put_with("/shop/direct", "canary-direct-3491", direct);
    aws.put("/shop/long", &long);
    aws.put("/shop/below/one", "canary-below-8255");
    let sealed = aws.encrypt("alias/direct", &[("app", "shop")], b"canary-sealed-6123");
    aws.put("/shop/sealed", &sealed);
    aws.put_secret("shop/db", r#"{"password": "canary-reference-2907"}"#);
    aws.put_with("/shop/large", &large, advanced);
    aws.put_with("/shop/disabled", "canary-disabled-1198", keyed);
    aws.set_key_state(&key, KeyState::Disabled);
    aws.deny("ssm:GetParameters", &aws.parameter_arn("/shop/denied"));
    aws.fault("GetParameters", Fault::Malformed, 2);
    let more = [
        ("long", long.as_str()),
        ("large", &large),
        ("disabled", "canary-disabled-1198"),
        ("direct", "canary-direct-3491"),
        ("below", "canary-below-8255"),
        ("sealed", "canary-sealed-6123"),
        ("what is sealed", &sealed),
        ("reference", "canary-reference-2907"),
        ("rotated", ROTATED),
        ("the password within json", "canary-json-pass-2245"),
    ];
    VALUES.iter().chain(&more).map(|(name, value)| Canary::new(name, value)).collect()
}

/// Credentials must not appear either: those of the operator, of its stores, and its token for the API server.
async fn create_credentials(world: &World) -> Result<Vec<Canary>> {
    let own = world.aws.default_identity();
    let tenant = Identity::assumed_role(DEFAULT_ACCOUNT, "tenant", "shop");
    world.aws.add_identity(tenant.clone());
    let token = tenant.session_token.clone().context("a session has a token")?;
    let (id, secret) = (tenant.access_key_id.as_bytes(), tenant.secret_access_key.as_bytes());
    let good = [("access-key-id", id), ("secret-access-key", secret), ("session-token", token.as_bytes())];
    create_secret(world, "tenant", &good).await?;
    let mistaken = b"canary-mistaken-secret-key-0042";
    create_secret(world, "mistaken", &[("access-key-id", id), ("secret-access-key", mistaken)]).await?;
    let unusable: &[u8] = b"canary-unusable-secret-key-0815\xff";
    create_secret(world, "unusable", &[("access-key-id", id), ("secret-access-key", unusable)]).await?;
    let kubeconfig: Value = serde_json::from_str(&fs::read_to_string(world.plane.kubeconfig())?)?;
    let bearer = kubeconfig["users"][0]["user"]["token"].as_str().context("no token in the kubeconfig")?;
    Ok(vec![
        Canary::new("the operator's secret access key", &own.secret_access_key),
        Canary::new("the operator's session token", own.session_token.as_deref().unwrap_or_default()),
        Canary::new("the operator's bearer token", bearer),
        Canary::new("a tenant's secret access key", &tenant.secret_access_key),
        Canary::new("a tenant's session token", &token),
        Canary::new("a mistaken secret access key", "canary-mistaken-secret-key-0042"),
        Canary::new("an unusable secret access key", "canary-unusable-secret-key-0815"),
    ])
}

/// Creates a Secret without kubectl, which would copy the data into an annotation.
async fn create_secret(world: &World, name: &str, data: &[(&str, &[u8])]) -> Result<()> {
    let data: BTreeMap<_, _> =
        data.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec()))).collect();
    let mut secret = Secret { data: Some(data), ..Secret::default() };
    secret.metadata.name = Some(name.to_owned());
    world.api::<Secret>().create(&PostParams::default(), &secret).await?;
    Ok(())
}

/// All objects and stores.
pub fn manifests() -> Vec<Value> {
    let typed = |type_: &str| json!({"target": {"type": type_}});
    let simple = |name: &str| object(name, &[("VALUE", &format!("/shop/{name}"))], &json!({}));
    let good = [
        ("PLAIN", "/shop/plain"),
        ("JSON", "/shop/json"),
        ("UNICODE", "/shop/unicode"),
        ("SHORT", "/shop/short"),
        ("LONG", "/shop/long"),
    ];
    let own = json!({"storeRef": {"kind": "ParameterStore", "name": "own"}});
    let huge: Vec<_> = (0..TOO_MANY).map(|n| json!({"key": format!("KEY_{n}"), "parameter": "/shop/large"})).collect();
    let referring = |secret: &str| json!({"identity": {"credentialsSecretRef": {"namespace": "shop", "name": secret}}});
    vec![
        json!({
            "apiVersion": "secureparameter.io/v1alpha1",
            "kind": "ParameterStore",
            "metadata": {"name": "own", "namespace": "shop"},
            "spec": {"identity": {"credentialsSecretRef": {"name": "tenant"}}},
        }),
        store("mistaken", &referring("mistaken")),
        store("unusable", &referring("unusable")),
        object("good", &good, &json!({})),
        object("tenant", &[("PLAIN", "/shop/plain")], &merged(&own, &json!({"target": {"name": "of-tenant"}}))),
        simple("denied"),
        simple("disabled"),
        object("huge", &[], &json!({"data": huge})),
        object("docker", &[(".dockerconfigjson", "/shop/docker")], &typed("kubernetes.io/dockerconfigjson")),
        object("tls", &[("tls.crt", "/shop/long")], &typed("kubernetes.io/tls")),
        object("taken", &[("VALUE", "/shop/plain")], &json!({})),
        store("direct", &json!({"decryption": "Direct", "revalidateInterval": "10s"})),
    ]
    .into_iter()
    .chain(parts())
    .chain(sources())
    .collect()
}

/// Objects that read paths, ciphertext and Secrets Manager.
fn sources() -> Vec<Value> {
    let sealed = |more: &Value| {
        let entry =
            json!({"key": "VALUE", "parameter": "/shop/sealed", "kmsDecrypt": {"encryptionContext": {"app": "shop"}}});
        json!({"data": [merged(&entry, more)], "storeRef": {"name": "sources"}})
    };
    let parameters = ["/{namespace}/**", "/aws/reference/secretsmanager/{namespace}/**"];
    let access = json!([{"name": "own-paths", "namespaces": {"from": "All"}, "parameters": parameters, "kmsDecryptKeys": ["*"]}]);
    let reference =
        json!({"key": "VALUE", "parameter": "/aws/reference/secretsmanager/shop/db", "jsonPath": "$.password"});
    vec![
        store("sources", &json!({"access": access})),
        object("below", &[], &json!({"data": [], "dataFrom": [{"path": "/shop/below"}]})),
        object("sealed", &[], &sealed(&json!({}))),
        object("unsealed", &[], &sealed(&json!({"parameter": "/shop/plain"}))),
        object("reference", &[], &json!({"data": [reference], "storeRef": {"name": "sources"}})),
    ]
}

/// Objects that parse values, successfully and not.
fn parts() -> Vec<Value> {
    let entry = |more: &Value| json!({"data": [merged(&json!({"key": "VALUE", "parameter": "/shop/plain"}), more)]});
    let from = |format: &str| json!({"data": [], "dataFrom": [{"parameter": "/shop/plain", "format": format}]});
    let template = |template: &str| json!({"target": {"template": {"data": {"COMPOSED": template}}}});
    let plain = [("VALUE", "/shop/plain")];
    let direct = [("DIRECT", "/shop/direct"), ("MANAGED", "/shop/unicode"), ("ADVANCED", "/shop/large")];
    vec![
        object("direct", &direct, &json!({"storeRef": {"name": "direct"}})),
        object("path", &[], &entry(&json!({"jsonPath": "$.user"}))),
        object("encoded", &[], &entry(&json!({"decode": "Base64"}))),
        object("fields", &[], &from("JSON")),
        object("lines", &[], &from("Dotenv")),
        object("composed", &plain, &template("{{ VALUE | urlencode }}{{ VALUE | quote }}{{ VALUE | b64encode }}")),
        object("template", &plain, &template("{{ VALUE | fromjson }}")),
        object("undefined", &plain, &template("{{ VALUE }}{{ VALUE.none.none }}")),
    ]
}

fn merged(one: &Value, other: &Value) -> Value {
    let fields = one.as_object().into_iter().chain(other.as_object()).flatten();
    Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
}
