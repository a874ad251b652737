//! What the command prints for manifests.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::{iam, identities, of_store};

const PLACE: [&str; 4] = ["--account", "111122223333", "--region", "eu-central-1"];

fn nowhere() -> &'static Path {
    Path::new("/dev/null")
}

/// The statements of a document by name.
fn statement<'a>(document: &'a Value, sid: &str) -> &'a Value {
    let statements = document["Statement"].as_array().expect("statements");
    statements.iter().find(|statement| statement["Sid"] == sid).unwrap_or(&Value::Null)
}

fn parameter(name: &str) -> String {
    format!("arn:aws:ssm:eu-central-1:111122223333:parameter/{name}")
}

#[tokio::test]
async fn the_examples_need_what_is_printed() -> Result<()> {
    let identities = identities(nowhere(), &[&PLACE[..], &["examples"]].concat(), "").await?;
    let default = of_store(&identities, "default")?;
    let policy = &default["documents"]["policy"];
    let reads = statement(policy, "ReadParameters")["Resource"].as_array().expect("a list");
    for name in ["shop/checkout/db-password", "shop/checkout/licence", "shop/checkout/app/*", "shop/checkout/config"] {
        assert!(reads.contains(&json!(parameter(name))), "{name} is not in {reads:?}");
    }
    assert_eq!(statement(policy, "ListPaths")["Resource"], parameter("shop/checkout/app"));
    let decrypt = statement(policy, "DecryptParameters");
    assert_eq!(decrypt["Condition"]["StringEquals"]["kms:ViaService"], "ssm.eu-central-1.amazonaws.com");
    let notes = default["notes"].to_string();
    assert!(notes.contains("shop/kms-decrypt is left out") && notes.contains("kmsDecryptKeys"), "{notes}");
    assert!(default["documents"]["trustPolicyPodIdentity"].to_string().contains("pods.eks.amazonaws.com"));

    let secrets = &of_store(&identities, "secrets-manager")?["documents"];
    let secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/db-??????";
    assert_eq!(statement(&secrets["policy"], "ReadSecrets")["Resource"], secret);
    let tenant = of_store(&identities, "own-account")?;
    assert_eq!((&tenant["kind"], &tenant["storeNamespace"]), (&json!("ParameterStore"), &json!("shop")));
    assert_eq!(statement(&tenant["documents"]["policy"], "ReadParameters")["Resource"], parameter("tenant/token"));
    assert_eq!(tenant["documents"].get("trustPolicyIRSA"), None);
    Ok(())
}

#[tokio::test]
async fn text_is_comments_and_json() -> Result<()> {
    let outcome = iam(nowhere(), &["--store", "default", "examples"], "").await?;
    assert!(outcome.succeeded, "{}", outcome.error);
    let mut documents = 0;
    for block in outcome.output.split("\n\n") {
        let json: String = block.lines().filter(|line| !line.starts_with('#')).collect();
        if !json.is_empty() {
            serde_json::from_str::<Value>(&json)?;
            documents += 1;
        }
    }
    assert!(documents >= 5, "{}", outcome.output);
    assert!(outcome.output.starts_with("# ClusterParameterStore default\n# Account ACCOUNT, region REGION"));
    Ok(())
}

#[tokio::test]
async fn a_store_with_a_role_for_each_namespace_has_a_policy_for_each() -> Result<()> {
    let object = |namespace: &str| {
        format!(
            "---\napiVersion: secureparameter.io/v1alpha1\nkind: SecureParameter\nmetadata: {{name: a, namespace: {namespace}}}\n\
             spec: {{data: [{{key: A, parameter: /{namespace}/a}}]}}\n"
        )
    };
    let store = "apiVersion: secureparameter.io/v1alpha1\nkind: ClusterParameterStore\nmetadata: {name: default}\nspec:\n  \
                 region: eu-central-1\n  identity:\n    serviceAccountRef: {namespace: platform, name: reader}\n    \
                 assumeRoles:\n    - roleARN: arn:aws:iam::444455556666:role/parameters-{namespace}\n      \
                 sessionTags: true\n      externalID: shop-1\n    sessionPolicy: FromAccess\n  access:\n    - name: own\n      \
                 namespaces: {from: All}\n      parameters: [\"/{namespace}/**\"]\n";
    let manifests = format!("{}{}---\n{store}", object("shop"), object("cart"));
    let arguments = ["--issuer", "https://oidc.example/id/1", "-"];
    let identities = identities(nowhere(), &arguments, &manifests).await?;
    let namespaces: Vec<_> = identities.iter().map(|identity| identity["namespace"].clone()).collect();
    assert_eq!(namespaces, ["cart", "shop"]);
    let documents = &identities[1]["documents"];
    let read = &statement(&documents["policy"], "ReadParameters")["Resource"];
    assert_eq!(*read, "arn:aws:ssm:eu-central-1:444455556666:parameter/shop/a");
    let role = "arn:aws:iam::444455556666:role/parameters-shop";
    assert_eq!(documents["assumeRolePolicy1"]["Statement"][0]["Resource"], role);
    let trust = &documents["roleTrustPolicy1"]["Statement"][0];
    assert_eq!(trust["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
    assert_eq!(trust["Condition"]["StringEquals"]["sts:ExternalId"], "shop-1");
    let subject = &documents["trustPolicyIRSA"]["Statement"][0]["Condition"]["StringEquals"]["oidc.example/id/1:sub"];
    assert_eq!(*subject, "system:serviceaccount:platform:reader");
    assert!(documents["sessionPolicy:shop"].to_string().contains("parameter/shop/*"), "{documents}");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_read_is_named() -> Result<()> {
    for (arguments, input, parts) in [
        (&["-"][..], "a: 1\n---\nb: [", &["document 2 of standard input", "not valid YAML"][..]),
        (
            &["-"],
            "apiVersion: secureparameter.io/v1alpha1\nkind: SecureParameter\nmetadata: {name: a}\nspec: {data: 1}",
            &["document 1 of standard input", "not a valid object"],
        ),
        (&["missing.yaml"], "", &["Cannot read missing.yaml"]),
        (&["-"], "kind: ConfigMap", &["No SecureParameter was found"]),
        (&["--namespace", "none", "examples"], "", &["No SecureParameter was found", "--namespace"]),
        (&[], "", &[]),
    ] {
        let outcome = iam(nowhere(), arguments, input).await?;
        let error = &outcome.error;
        assert!(!outcome.succeeded && outcome.output.is_empty(), "{arguments:?}");
        assert!(error.ends_with(".\n") && error.lines().count() == 1, "not one sentence: {error:?}");
        // Without a kubeconfig, the client has words of its own.
        assert!(arguments.is_empty() || parts.iter().all(|part| error.contains(part)), "{error:?} lacks {parts:?}");
    }
    Ok(())
}
