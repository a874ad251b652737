//! What is printed for manifests as they stand in repositories, and that the API server accepts it.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{manifests, migrate};
use crate::support::{Group, World};

fn nowhere() -> &'static Path {
    Path::new("/dev/null")
}

/// The names of the manifests, in order.
fn names() -> Result<Vec<String>> {
    let files = fs::read_dir(manifests())?.collect::<Result<Vec<_>, _>>()?;
    let names = files.iter().filter_map(|file| file.file_name().to_str()?.strip_suffix(".yaml").map(str::to_owned));
    let mut names: Vec<_> = names.filter(|name| !name.ends_with(".golden")).collect();
    names.sort();
    ensure!(names.len() >= 30, "only {} manifests were found", names.len());
    Ok(names)
}

/// `UPDATE=1` rewrites what is expected.
#[tokio::test]
async fn each_manifest_becomes_what_its_golden_says() -> Result<()> {
    for name in names()? {
        let printed = migrate(nowhere(), &[&format!("{name}.yaml")], "").await.with_context(|| name.clone())?;
        let golden = manifests().join(format!("{name}.golden.yaml"));
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, &printed)?;
        }
        let expected = fs::read_to_string(&golden).with_context(|| golden.display().to_string())?;
        assert_eq!(printed, expected, "{name}; UPDATE=1 rewrites what is expected");
    }
    Ok(())
}

#[tokio::test]
async fn the_api_server_accepts_what_is_printed() -> Result<()> {
    let world = World::shared(Group::Secrets, "migrate-printed").await?;
    let mut everything = String::new();
    for name in names()? {
        everything.push_str(&fs::read_to_string(manifests().join(format!("{name}.golden.yaml")))?);
    }
    let mut objects = 0;
    for document in serde_yaml::Deserializer::from_str(&everything) {
        let object: Value = serde::Deserialize::deserialize(document)?;
        if let Some(namespace) = object.pointer("/metadata/namespace").and_then(Value::as_str) {
            let namespace =
                serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            world.plane.kubectl_stdin(["apply", "--server-side", "-f", "-"], &namespace.to_string()).await?;
        }
        objects += usize::from(object.is_object());
    }
    ensure!(objects >= 60, "only {objects} objects");
    world.plane.kubectl_stdin(["apply", "--dry-run=server", "-f", "-"], &everything).await?;
    Ok(())
}

#[tokio::test]
async fn json_holds_the_same_objects_notes_and_commands() -> Result<()> {
    let manifest = fs::read_to_string(manifests().join("03-properties.yaml"))?;
    let printed = migrate(nowhere(), &["--output", "json", "-"], &manifest).await?;
    let printed: Value = serde_json::from_str(&printed)?;
    let translations = printed["translations"].as_array().context("a list")?;
    let sources: Vec<_> = translations.iter().map(|one| (one["source"].as_str(), one["complete"].as_bool())).collect();
    assert_eq!(
        sources,
        [
            (Some("ClusterSecretStore ssm"), Some(true)),
            (Some("ExternalSecret shop/database"), Some(true)),
            (Some("ExternalSecret shop/database-queries"), Some(false)),
        ]
    );
    assert_eq!(translations[1]["object"]["spec"]["data"][1]["jsonPath"], "$.credentials.password");
    assert_eq!(translations[2]["notes"][0]["effect"], "NotTranslated");
    assert_eq!(
        printed["commands"],
        serde_json::json!(["kubectl --namespace shop annotate secret database secureparameter.io/allow=shop/database"])
    );
    Ok(())
}

#[tokio::test]
async fn folders_namespaces_and_mistakes() -> Result<()> {
    let web = migrate(nowhere(), &["--namespace", "web", "."], "").await?;
    assert!(web.contains("name: nginx\n") && !web.contains("namespace: shop\n"), "{web}");
    let named = migrate(nowhere(), &["-n", "team-c", "36-without-namespace.yaml"], "").await?;
    assert!(named.contains("namespace: team-c\n") && !named.contains("namespace: default\n"), "{named}");
    for (input, part) in [
        ("apiVersion: v1\nkind: ConfigMap\n", "No object of External Secrets Operator"),
        ("a: [", "document 1 of standard input, which is not valid YAML"),
    ] {
        let error = migrate(nowhere(), &["-"], input).await.expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    Ok(())
}

/// Nothing of a manifest may leave the comment that it stands in.
#[tokio::test]
async fn comments_stay_comments() -> Result<()> {
    let manifest = r#"{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": "a\nb: c\u2028d", "namespace": "shop"},
        "spec": {"refreshPolicy": "x\nkind: Secret", "data": [{"secretKey": "k", "remoteRef": {"key": "/a\n- b"}}]}}"#;
    let printed = migrate(nowhere(), &["-"], manifest).await?;
    let is_comment = |line: &str| line.starts_with('#') || line == "---";
    assert!(printed.split(['\n', '\u{2028}']).all(|line| line.is_empty() || is_comment(line)), "{printed}");
    Ok(())
}
