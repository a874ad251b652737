//! Session policies allow all that the grant allows, and as little else as IAM can say.

use std::cell::Cell;

use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    sample::select,
};
use serde_json::Value;

use crate::{
    api::{AccessRule, Decryption, NamespaceMatch, NamespacesFrom},
    domain::{
        access::grant::Grant,
        iam::session_policy::{SessionPolicy, session_policy},
        parameter::path_query::PathQuery,
        property_tests::{
            check,
            glob::{matches, path},
            policy::{FOREIGN, NAMESPACES, OWN, SEGMENTS, grant, rule, wide_rule},
            scope,
        },
        steps,
    },
};

/// Stands for a key in the tests.
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/0d9f";
const VIA_SSM: (&str, &str) = ("kms:ViaService", "ssm.eu-central-1.amazonaws.com");

/// Model of IAM: allowed if a statement allows and none denies. Wildcards do not reach beyond a colon.
fn allowed(policy: &SessionPolicy, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
    let document: Value = serde_json::from_str(&policy.json).expect("JSON");
    let statements = document["Statement"].as_array().expect("statements");
    let applies = |statement: &&Value| {
        texts(&statement["Action"]).iter().any(|pattern| text_matches(pattern, action))
            && texts(&statement["Resource"]).iter().any(|pattern| resource_matches(pattern, resource))
            && statement["Condition"].as_object().into_iter().flatten().all(|(operator, keys)| {
                keys.as_object().expect("keys").iter().all(|(key, values)| {
                    let value = context.iter().find(|(name, _)| name == key).map(|(_, value)| *value);
                    let is_match = |wanted: &String| match operator.as_str() {
                        "StringEquals" => value == Some(wanted),
                        "StringLike" => value.is_some_and(|value| text_matches(wanted, value)),
                        other => unreachable!("operator {other}"),
                    };
                    texts(values).iter().any(is_match)
                })
            })
    };
    let effects: Vec<_> = statements.iter().filter(applies).map(|statement| &statement["Effect"]).collect();
    effects.iter().any(|effect| *effect == "Allow") && !effects.iter().any(|effect| *effect == "Deny")
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().expect("a text").to_owned()).collect(),
        value => vec![value.as_str().expect("a text").to_owned()],
    }
}

fn resource_matches(pattern: &str, resource: &str) -> bool {
    let (patterns, parts) = (pattern.splitn(6, ':'), resource.splitn(6, ':'));
    pattern == "*"
        || patterns.clone().count() == parts.clone().count()
            && patterns.zip(parts).all(|(p, part)| text_matches(p, part))
}

fn text_matches(pattern: &str, text: &str) -> bool {
    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    loosely(&characters(pattern), &characters(text), false)
}

/// Model: wildcards match `/` as well. With `folders`, `**/` at the beginning of a segment may stand for nothing.
fn loosely(pattern: &[char], text: &[char], folders: bool) -> bool {
    match (pattern, text) {
        (['*', '*', '/', rest @ ..], _) if folders => {
            loosely(rest, text, true)
                || (1..=text.len()).any(|end| text[end - 1] == '/' && loosely(rest, &text[end..], true))
        }
        ([], _) => text.is_empty(),
        (['*', rest @ ..], _) => (0..=text.len()).any(|skipped| loosely(rest, &text[skipped..], false)),
        (['?', rest @ ..], [_, others @ ..]) => loosely(rest, others, false),
        ([one, rest @ ..], [other, others @ ..]) => one == other && loosely(rest, others, *one == '/'),
        (_, []) => false,
    }
}

/// Model: what a glob matches if wildcards behind its first slash do not stop at others.
fn matches_loosely(glob: &str, arn: &str) -> bool {
    let (head, name) = arn.split_once('/').expect("a parameter");
    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    if glob.starts_with("arn:") {
        let Some((glob_head, rest)) = glob.split_once('/') else { return false };
        return matches(glob_head, head) && loosely(&characters(rest), &characters(name), true);
    }
    arn.starts_with(OWN) && loosely(&characters(glob), &characters(&format!("/{name}")), true)
}

fn arn() -> impl Strategy<Value = String> {
    let root = select(&[OWN, OWN, FOREIGN][..]);
    (root, path(SEGMENTS, 5)).prop_map(|(root, path)| root.to_owned() + &path)
}

/// Whether the session may read a parameter with its value.
fn reads(policy: &SessionPolicy, arn: &str) -> bool {
    let context = [VIA_SSM, ("kms:EncryptionContext:PARAMETER_ARN", arn)];
    allowed(policy, "ssm:GetParameters", arn, &[]) && allowed(policy, "kms:Decrypt", KEY, &context)
}

fn globs_of(grant: &Grant) -> Vec<String> {
    let globs = grant.globs();
    globs.names.iter().chain(&globs.arns).map(|glob| (*glob).to_owned()).collect()
}

#[test]
fn a_session_may_do_what_the_grant_allows_and_nothing_that_iam_can_tell_apart() {
    let (reading, listing, refused) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let rules = vec(prop_oneof![rule(), rule(), wide_rule()], 1..4);
    let paths = vec((path(NAMESPACES, 3), any::<bool>()), 10);
    let values = (rules, select(NAMESPACES), vec(arn(), 20), paths, any::<bool>());
    check(400, values, |(rules, namespace, arns, paths, direct)| {
        let grant = grant(&rules, namespace);
        let decryption = if direct { Decryption::Direct } else { Decryption::ViaSsm };
        let policy = session_policy(&grant, &scope(), decryption);
        assert!(policy.json.len() <= 2_048, "{}", policy.json);
        assert_eq!(policy, session_policy(&grant, &scope(), decryption));
        for arn in arns {
            let (granted, may_read) = (grant.allows(&arn, &scope()), reads(&policy, &arn));
            assert!(may_read || !granted, "{arn} in {}", policy.json);
            reading.set(reading.get() + u32::from(granted));
            if policy.widened.is_none() && !globs_of(&grant).iter().any(|glob| matches_loosely(glob, &arn)) {
                refused.set(refused.get() + 1);
                assert!(!may_read, "{arn} in {}", policy.json);
            }
        }
        for (path, recursive) in paths {
            let query = PathQuery { path: format!("/{path}"), recursive, label: None };
            if grant.allows_path(&query, &scope()) {
                listing.set(listing.get() + 1);
                let arn = query.parameter_ref(&scope()).arn.clone();
                let context = [("ssm:Recursive", if recursive { "true" } else { "false" })];
                assert!(allowed(&policy, "ssm:GetParametersByPath", &arn, &context), "{arn} in {}", policy.json);
            }
        }
    });
    let counts = (reading.get(), listing.get(), refused.get());
    assert!(counts.0 > 500 && counts.1 > 100 && counts.2 > 500, "{counts:?}");
}

fn granted(globs: &[&str], keys: &[&str]) -> Grant {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let namespaces = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
    let rule =
        AccessRule { namespaces, parameters: owned(globs), kms_decrypt_keys: owned(keys), ..AccessRule::default() };
    grant(&[rule], "shop")
}

/// Without folders between others, denials say exactly what globs say.
#[test]
fn globs_that_stop_at_a_slash_are_said_exactly() {
    let glob = path(&["a", "b", "ab", "*", "a*", "?", "*?"], 3).prop_map(|glob| format!("/{glob}"));
    let name = path(&["a", "b", "ab", "abb"], 5).prop_map(|name| format!("{OWN}{name}"));
    check(300, (glob, vec(name, 20)), |(glob, arns)| {
        let grant = granted(&[&glob], &[]);
        let policy = session_policy(&grant, &scope(), Decryption::ViaSsm);
        for arn in arns {
            assert_eq!(reads(&policy, &arn), grant.allows(&arn, &scope()), "{arn} in {}", policy.json);
        }
    });
}

#[test]
fn long_grants_are_widened_and_say_so() {
    let globs = (vec(select(&["a", "b", "shop", "x-y", "*", "**", "?"][..]), 1..6), 0..40_u32);
    let glob = globs.prop_map(|(segments, number)| format!("/team-{number}/{}", segments.join("/")));
    let widened = Cell::new(0);
    check(60, (vec(glob, 10..120), any::<bool>()), |(globs, direct)| {
        let grant = granted(
            &globs.iter().map(String::as_str).collect::<Vec<_>>(),
            &["alias/{namespace}", "arn:aws:kms:*:*:key/0*"],
        );
        let decryption = if direct { Decryption::Direct } else { Decryption::ViaSsm };
        let policy = session_policy(&grant, &scope(), decryption);
        assert!(policy.json.len() <= 2_048, "{}", policy.json);
        for glob in &globs {
            let name = glob.replace(['*', '?'], "z");
            assert!(reads(&policy, &format!("{OWN}{}", &name[1..])), "{name} in {}", policy.json);
        }
        assert!(!reads(&policy, &format!("{OWN}other/a")), "{}", policy.json);
        if let Some(sentence) = policy.widened {
            widened.set(widened.get() + 1);
            assert!(sentence.len() < 700 && sentence.contains("team-"), "{sentence}");
        }
    });
    assert!(widened.get() > 20, "only {}", widened.get());
}

#[test]
fn references_to_secrets_manager_reach_the_secret() {
    let secret = |name: &str| format!("arn:aws:secretsmanager:eu-central-1:111122223333:secret:{name}-AbCdEf");
    let via = [("kms:ViaService", "secretsmanager.eu-central-1.amazonaws.com")];
    for (glob, name, expected) in [
        ("/aws/reference/secretsmanager/shop/*", "shop/db", true),
        ("/aws/reference/secretsmanager/shop/*", "cart/db", false),
        ("/aws/**", "any", true),
        ("/**", "any", true),
        ("/**/secretsmanager/db", "db", true),
        ("/**/secretsmanager/db", "db-more", false),
        ("/shop/**", "shop/db", false),
    ] {
        let policy = session_policy(&granted(&[glob], &[]), &scope(), Decryption::ViaSsm);
        let may_read = allowed(&policy, "secretsmanager:GetSecretValue", &secret(name), &[]);
        assert_eq!(may_read, expected, "{glob} {name}");
        assert!(!expected || allowed(&policy, "kms:Decrypt", KEY, &via), "{}", policy.json);
    }
}

#[test]
fn keys_of_values_that_were_encrypted_by_hand_are_allowed_as_they_are_named() {
    let alias = |name| [("kms:RequestAlias", name)];
    let foreign = "arn:aws:kms:eu-central-1:999999999999:key/0d9f";
    for (glob, key, context, expected) in [
        ("alias/{namespace}", KEY, &alias("alias/shop")[..], true),
        ("alias/{namespace}", KEY, &alias("alias/cart"), false),
        ("alias/{namespace}", KEY, &[], false),
        ("alias/*", foreign, &alias("alias/shop"), false),
        ("arn:aws:kms:*:999999999999:alias/shop", foreign, &alias("alias/shop"), true),
        ("arn:aws:kms:*:999999999999:alias/shop", KEY, &alias("alias/shop"), false),
        ("arn:aws:kms:*:*:key/*", foreign, &[], true),
        ("arn:aws:kms:eu-central-1:111122223333:key/*", foreign, &[], false),
        ("arn:aws:kms:us-east-1:111122223333:key/*", KEY, &[], false),
        ("0d??", KEY, &[], true),
        ("0d9", KEY, &[], false),
        ("*", foreign, &[], true),
        ("**", KEY, &[], true),
        ("**", KEY, &alias("alias/x"), true),
    ] {
        let policy = session_policy(&granted(&["/a"], &[glob]), &scope(), Decryption::ViaSsm);
        assert_eq!(allowed(&policy, "kms:Decrypt", key, context), expected, "{glob} in {}", policy.json);
    }
}

#[test]
fn a_path_is_listed_no_deeper_than_it_is_granted() {
    for (globs, recursive) in [
        (&["/shop/*"][..], false),
        (&["/shop/**"], true),
        (&["/shop/*", "/shop/a/*"], true),
        (&["/shop/*", "/x/**"], false),
    ] {
        let policy = session_policy(&granted(globs, &[]), &scope(), Decryption::ViaSsm);
        let lists =
            |value| allowed(&policy, "ssm:GetParametersByPath", &format!("{OWN}shop"), &[("ssm:Recursive", value)]);
        assert_eq!((lists("false"), lists("true")), (true, recursive), "{globs:?}");
    }
}

#[test]
fn who_is_granted_nothing_may_read_nothing() {
    let policy = session_policy(&grant(&[], "shop"), &scope(), Decryption::Direct);
    let expected = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ssm:DescribeParameters","kms:DescribeKey"],"Resource":"*"}]}"#;
    assert_eq!(policy, SessionPolicy { json: expected.to_owned(), widened: None });
}

#[test]
fn a_policy_reads_like_one_written_by_hand() {
    let scope = crate::domain::parameter::scope::Scope {
        partition: "aws-cn".into(),
        region: "cn-north-1".into(),
        account: "111122223333".into(),
    };
    let policy = session_policy(&granted(&["/shop/**", "/shared/*"], &[]), &scope, Decryption::ViaSsm);
    let own = "arn:aws-cn:ssm:cn-north-1:111122223333:parameter";
    let expected = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["ssm:DescribeParameters","kms:DescribeKey"],"Resource":"*"}},{{"Effect":"Allow","Action":["ssm:GetParameters","ssm:GetParametersByPath"],"Resource":"{own}/shop/*"}},{{"Effect":"Allow","Action":"ssm:GetParameters","Resource":"{own}/shared/*"}},{{"Effect":"Allow","Action":"ssm:GetParametersByPath","Resource":["{own}/shared","{own}/shop"]}},{{"Effect":"Deny","Action":"ssm:GetParameters*","Resource":"{own}/shared/*/*"}},{{"Effect":"Deny","Action":"ssm:GetParametersByPath","Resource":"{own}/shared","Condition":{{"StringEquals":{{"ssm:Recursive":"true"}}}}}},{{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{{"StringEquals":{{"kms:ViaService":"ssm.cn-north-1.amazonaws.com"}},"StringLike":{{"kms:EncryptionContext:PARAMETER_ARN":["{own}/shared/*","{own}/shop/*"]}}}}}}]}}"#
    );
    assert_eq!(policy, SessionPolicy { json: expected, widened: None });
}

/// The largest stores that the schema admits, whatever their globs are.
#[test]
fn the_work_for_large_stores_is_bounded() {
    let long = "a".repeat(240);
    let forms: [&dyn Fn(usize) -> String; 5] = [
        &|number| format!("/{long}{number:05}"),
        &|number| format!("/{number:05}/{}", "*/**/".repeat(40)),
        &|number| format!("/{}{number:05}", "a*".repeat(120)),
        &|number| format!("arn:*{}:parameter/x{number:05}", "*1".repeat(100)),
        &|number| format!("/{}/{number:05}", "**/a/".repeat(48)),
    ];
    for form in forms {
        let work = |count: usize| {
            let globs: Vec<_> = (0..count).map(form).collect();
            let globs: Vec<_> = globs.iter().map(String::as_str).collect();
            let rules: Vec<_> = globs.chunks(32).map(granted_rule).collect();
            let grant = grant(&rules, "shop");
            steps::of(|| assert!(session_policy(&grant, &scope(), Decryption::ViaSsm).json.len() <= 2_048))
        };
        let (part, whole) = (work(512), work(2_048));
        assert!(whole <= part * 6 && whole < 20_000_000, "{} takes {part}, then {whole} steps", form(0));
    }
}

fn granted_rule(globs: &[&str]) -> AccessRule {
    let namespaces = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
    AccessRule { namespaces, parameters: globs.iter().map(ToString::to_string).collect(), ..AccessRule::default() }
}
