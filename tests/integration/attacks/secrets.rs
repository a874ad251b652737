//! Secrets: targets that are somebody else's, grant access to the cluster, or carry forged marks.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{
    api::{A, manifest},
    attack::{Attack, Expected},
    world::Tenants,
};

const NOT_OURS: Expected = Expected::Fails("SecretConflict", &["already exists", "secureparameter.io/allow"]);
const TRACKING: Expected = Expected::Refused("track");

/// A spec with A's own parameter and this target.
fn with_target(target: &Value) -> Value {
    json!({"data": [{"key": "PASSWORD", "parameter": "/a/password"}], "target": target})
}

/// A Secret of A with this metadata.
fn secret(name: &str, more: &Value) -> Value {
    let mut metadata = json!({"name": name, "namespace": A});
    for (field, value) in more.as_object().into_iter().flatten() {
        metadata[field] = value.clone();
    }
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"KEY": "theirs"}})
}

/// A Secret that Kubernetes fills with a token of a ServiceAccount, and that consents to keys.
fn token() -> Value {
    let annotations = json!({"kubernetes.io/service-account.name": "default", "secureparameter.io/allow": "merge"});
    let mut token = secret("token", &json!({"annotations": annotations}));
    token["type"] = json!("kubernetes.io/service-account-token");
    token
}

/// All attacks by targets and templates.
pub fn attacks() -> Vec<Attack> {
    [targets(), marks(), templates()].concat()
}

fn targets() -> Vec<Attack> {
    let typed = |type_: &str| with_target(&json!({"type": type_}));
    let cluster = Expected::Refused("would grant access to the cluster itself");
    let merge = |name: &str| with_target(&json!({"name": name, "creationPolicy": "Merge"}));
    let no_consent = Expected::Fails("SecretConflict", &["does not consent"]);
    let no_token = Expected::Fails("SecretWriteFailed", &["does not write credentials of this cluster"]);
    vec![
        Attack::object("a Secret with a token of an account", &typed("kubernetes.io/service-account-token"), cluster),
        Attack::object("a Secret with a token to join the cluster", &typed("bootstrap.kubernetes.io/token"), cluster),
        Attack::object("keys into a token", &merge("token"), no_token).after([token()]),
        Attack::object("the Secret of somebody else", &with_target(&json!({"name": "precious"})), NOT_OURS)
            .after([secret("precious", &json!({}))]),
        Attack::object("keys without consent", &merge("precious-too"), no_consent)
            .after([secret("precious-too", &json!({}))]),
        Attack::object(
            "the Secret of another object",
            &with_target(&json!({"name": "honest"})),
            Expected::Fails("SecretConflict", &["belongs to SecureParameter honest"]),
        ),
        Attack::object("keys into what consents to B", &merge("for-b"), no_consent)
            .after([secret("for-b", &json!({"annotations": {"secureparameter.io/allow": "b/honest"}}))]),
        Attack::object(
            "a Secret of another namespace",
            &with_target(&json!({"name": "../../b/secrets/honest"})),
            Expected::Refused("a name holds lower-case letters"),
        ),
    ]
}

fn marks() -> Vec<Attack> {
    let annotated = |key: &str| with_target(&json!({"annotations": {key: "default"}}));
    let labelled = |key: &str| with_target(&json!({"labels": {key: "x"}}));
    vec![
        Attack::object("an annotation of tokens", &annotated("kubernetes.io/service-account.name"), TRACKING),
        Attack::object("a consent of its own", &annotated("secureparameter.io/allow"), TRACKING),
        Attack::object("a label of another owner", &labelled("secureparameter.io/owner-uid"), TRACKING),
        Attack::object("a label of a tool", &labelled("argocd.argoproj.io/instance"), TRACKING),
    ]
}

fn templates() -> Vec<Attack> {
    let failed = Expected::Fails("TemplateError", &["spec.target.template"]);
    let template =
        |name, text: &str| Attack::object(name, &with_target(&json!({"template": {"data": {"VALUE": text}}})), failed);
    vec![
        template("a template with the environment", "{{ env('AWS_SECRET_ACCESS_KEY') }}"),
        template("a template with a file", "{% include '/var/run/secrets/kubernetes.io/serviceaccount/token' %}"),
        template("a template with keys of others", "{{ OTHER_PASSWORD }}"),
        template("a template with inner parts", "{{ ''.__class__.__mro__ }}"),
        template("a template without an end", "{% for i in range(99999999) %}{{ PASSWORD }}{% endfor %}"),
    ]
}

/// Marks of an object of B on Secrets of A: the operator neither follows them nor touches what belongs to B.
pub async fn forged_marks_change_nothing(world: &Tenants) -> Result<()> {
    let of_b = "/api/v1/namespaces/b/secrets/honest";
    let before = world.get(&world.admin, of_b).await?;
    let owner =
        world.get(&world.admin, "/apis/secureparameter.io/v1alpha1/namespaces/b/secureparameters/honest").await?;
    let uid = &owner["metadata"]["uid"];
    let reference = json!({
        "apiVersion": "secureparameter.io/v1alpha1", "kind": "SecureParameter", "name": "honest", "uid": uid,
    });
    let marks = json!({
        "labels": {"secureparameter.io/owner-uid": uid}, "annotations": {"secureparameter.io/owner": "honest"},
    });
    world.as_tenant(&secret("forged", &marks)).await?;
    // The owner's name alone decides who may have what nobody of this namespace owns.
    let expected = Expected::Fails("SecretConflict", &["left behind by SecureParameter honest"]);
    let attack = Attack::object("a forgery", &with_target(&json!({"name": "forged"})), expected);
    attack.is_repelled(world).await?;
    // An owner in another namespace is none: the garbage collector takes the object for an orphan.
    let mut orphan = manifest("SecureParameter", "orphan", &with_target(&json!({})));
    orphan["metadata"]["ownerReferences"] = json!([reference]);
    world.as_tenant(&orphan).await?;
    let after = world.get(&world.admin, of_b).await?;
    ensure!(before["metadata"]["uid"] == after["metadata"]["uid"] && before["data"] == after["data"], "{after}");
    for name in ["forged", "precious", "precious-too", "for-b"] {
        let held = world.secret(A, name).await?;
        ensure!(held == [("KEY".to_owned(), "theirs".to_owned())], "{name}: {held:?}");
    }
    Ok(())
}
