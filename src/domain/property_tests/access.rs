//! No read that a plan accepts lies outside its grant, however names are spelled.

use std::{cell::Cell, sync::Arc};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
};

use crate::{
    api::{
        AccessRule, DataEntry, DataFromEntry, NamespaceMatch, NamespacesFrom, Reason, SecureParameterSpec, ValueOptions,
    },
    domain::{
        access::{
            grant::Grant,
            key_authority::{KeyFact, KeyFacts},
            key_glob::Aliases,
            namespace::Namespace,
            read_authority::ReadAuthority,
        },
        plan::from_spec::plan_of,
        property_tests::{
            check,
            glob::{matches, path},
            scope,
        },
    },
};

const NAMESPACES: &[&str] = &["a", "b", "ab", "aws", "all", "namespace", "12"];
const GLOB_SEGMENTS: &[&str] =
    &["a", "b", "ab", "aws", "*", "*", "**", "**", "?", "a*", "..", "{namespace}", "{namespace}"];
const SEGMENTS: &[&str] =
    &["a", "b", "ab", "aws", "A", "..", ".", "12", "a-b", "namespace", "a b", "b:1", "", "\u{430}"];
const ROOTS: &[&str] =
    &["/", "/", "/", "/aws/", "**/", "arn:aws:ssm:*:999999999999:parameter/", "arn:*:ssm:*:*:parameter/"];
const PREFIXES: &[&str] = &["", "", "/a", "/a/b", "/aws-x"];
const OWN: &str = "arn:aws:ssm:eu-central-1:111122223333:parameter/";
const FOREIGN: &str = "arn:aws:ssm:eu-central-1:999999999999:parameter/";
const SPELLINGS: &[&str] =
    &["", "/", "/", "//", OWN, FOREIGN, "/aws/", "arn:aws-cn:ssm:eu-central-1:111122223333:parameter/"];
const KEY_GLOBS: &[&str] =
    &["alias/{namespace}", "alias/*", "alias/a", "arn:aws:kms:*:111122223333:key/a", "arn:aws:kms:*:*:key/*"];
const KEYS: &[&str] = &[
    "arn:aws:kms:eu-central-1:111122223333:key/a",
    "arn:aws:kms:eu-central-1:999999999999:key/b",
    "arn:aws:kms:eu-central-1:111122223333:alias/a",
    "arn:aws:kms:eu-central-1:111122223333:alias/b",
    "arn:aws:kms:eu-central-1:999999999999:alias/a",
];

fn rule() -> impl Strategy<Value = AccessRule> {
    let names = |names: Vec<&str>| NamespaceMatch {
        names: Some(names.into_iter().map(str::to_owned).collect()),
        ..NamespaceMatch::default()
    };
    let all = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
    let namespaces = prop_oneof![2 => Just(all), 1 => vec(select(NAMESPACES), 0..3).prop_map(names)];
    let glob = (select(ROOTS), path(GLOB_SEGMENTS, 3)).prop_map(|(root, path)| root.to_owned() + &path);
    let keys = prop_oneof![Just(Vec::new()), vec(select(KEY_GLOBS).prop_map(str::to_owned), 1..3)];
    (namespaces, vec(glob, 1..4), keys).prop_map(|(namespaces, parameters, kms_keys)| AccessRule {
        namespaces,
        parameters,
        kms_keys,
        ..AccessRule::default()
    })
}

/// The model: written apart from the code, by segments and recursion.
struct Model<'a> {
    rules: &'a [AccessRule],
    namespace: &'a str,
}

impl Model<'_> {
    /// The rules that grant a parameter.
    fn granting(&self, arn: &str) -> Vec<&AccessRule> {
        let is_for = |rule: &AccessRule| match rule.namespaces.from {
            NamespacesFrom::All => true,
            _ => rule.namespaces.names.iter().flatten().any(|name| name == self.namespace),
        };
        let own = arn.strip_prefix(OWN).map(|name| format!("/{name}"));
        let matches = |glob: &String| {
            let subject = if glob.starts_with("arn:") { Some(arn) } else { own.as_deref() };
            subject.is_some_and(|subject| matches(&glob.replace("{namespace}", self.namespace), subject))
        };
        self.rules.iter().filter(|rule| is_for(rule) && rule.parameters.iter().any(matches)).collect()
    }

    /// Whether some rule grants a parameter whose key has this ARN.
    fn grants_with(&self, arn: &str, key: &str) -> bool {
        let alias =
            key.strip_prefix("arn:aws:kms:eu-central-1:111122223333:").filter(|rest| rest.starts_with("alias/"));
        let matches = |glob: &String| {
            let subject = if glob.starts_with("arn:") { Some(key) } else { alias };
            subject.is_some_and(|subject| matches(&glob.replace("{namespace}", self.namespace), subject))
        };
        self.granting(arn).iter().any(|rule| rule.kms_keys.is_empty() || rule.kms_keys.iter().any(matches))
    }
}

/// The ARN of what a spec names; `None` if there is no such parameter.
fn meant(prefix: &str, spelled: &str) -> Option<String> {
    let (account, name) = if let Some((account, name)) = spelled.split_once(":parameter/") {
        (format!("{account}:parameter/"), name.to_owned())
    } else {
        let name = spelled.strip_prefix('/').unwrap_or(spelled);
        let is_of_aws = name.starts_with("aws/");
        let name = if is_of_aws { name.to_owned() } else { format!("{prefix}/{name}") };
        (OWN.to_owned(), name.strip_prefix('/').unwrap_or(&name).to_owned())
    };
    let is_level = |level: &str| {
        !level.is_empty() && level.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    name.split('/').all(is_level).then(|| account + &name)
}

fn spec(names: &[String]) -> SecureParameterSpec {
    let entry = |(number, name): (usize, &String)| DataEntry {
        key: number.to_string(),
        parameter: name.clone(),
        value: ValueOptions::default().into(),
    };
    SecureParameterSpec { data: names.iter().enumerate().map(entry).collect(), ..SecureParameterSpec::default() }
}

#[test]
fn no_accepted_read_lies_outside_its_grant() {
    let (accepted, denied) = (Cell::new(0), Cell::new(0));
    let name = (select(SPELLINGS), path(SEGMENTS, 3)).prop_map(|(start, path)| start.to_owned() + &path);
    let names = vec(name, 12);
    check(
        1_500,
        (vec(rule(), 1..4), select(NAMESPACES), select(PREFIXES), names),
        |(rules, namespace, prefix, names)| {
            let reader = Namespace { name: namespace.to_owned(), ..Namespace::default() };
            let (scope, model) = (scope(), Model { rules: &rules, namespace });
            let grant = Grant::new(&rules, &reader).expect("valid globs");
            let authority = ReadAuthority { scope: &scope, prefix, grant: Some(&grant), namespace, store: "store" };
            for name in names {
                let plan = plan_of(&spec(std::slice::from_ref(&name)), &authority);
                let Some(arn) = meant(prefix, &name) else {
                    let fault = plan.expect_err("no such name");
                    assert_eq!(fault.reason, Reason::InvalidSpec, "{name}: {}", fault.message);
                    continue;
                };
                // Rules are stricter for this namespace than the model; it has rows of its own in the tables.
                let is_reserved = namespace == "aws";
                let granting = model.granting(&arn);
                match plan {
                    Ok(plan) => {
                        accepted.set(accepted.get() + 1);
                        let reads: Vec<_> = plan.reads().into_keys().cloned().collect();
                        assert_eq!(reads.iter().map(|read| &*read.arn).collect::<Vec<_>>(), [arn.as_str()], "{name}");
                        assert!(!granting.is_empty(), "{name} as {arn}");
                        for key in KEYS {
                            let fact = KeyFact::Known(vec![Arc::from(*key)]);
                            let facts: KeyFacts = [(reads[0].clone(), fact)].into();
                            let is_admitted = authority.check_keys(&facts, &Aliases::new()).is_ok();
                            assert!(is_reserved || is_admitted == model.grants_with(&arn, key), "{name} with {key}");
                            assert!(!is_admitted || model.grants_with(&arn, key), "{name} with {key}");
                        }
                    }
                    Err(fault) => {
                        denied.set(denied.get() + 1);
                        let is_foreign = arn.starts_with("arn:aws-cn:");
                        let reason = if is_foreign { Reason::InvalidSpec } else { Reason::PolicyDenied };
                        assert_eq!(fault.reason, reason, "{name}: {}", fault.message);
                        assert!(is_foreign || is_reserved || granting.is_empty(), "{name} as {arn}");
                    }
                }
            }
        },
    );
    assert!(accepted.get() > 1_500 && denied.get() > 1_500, "{} accepted, {} denied", accepted.get(), denied.get());
}

/// Whatever a listing answers, nothing is read beyond the path and the grant.
#[test]
fn no_path_that_is_accepted_reaches_outside_its_grant() {
    let accepted = Cell::new(0);
    let asked = (select(&["/", "/", "/aws/", "//", ""][..]), path(&SEGMENTS[..8], 2), any::<bool>());
    let below = vec(path(&["a", "b", "xyz", "..", "aws"], 4), 12);
    check(1_500, (vec(rule(), 1..4), select(NAMESPACES), select(PREFIXES), asked, below), |case| {
        let (rules, namespace, prefix, (start, path, recursive), below) = case;
        let reader = Namespace { name: namespace.to_owned(), ..Namespace::default() };
        let (scope, model) = (scope(), Model { rules: &rules, namespace });
        let grant = Grant::new(&rules, &reader).expect("valid globs");
        let authority = ReadAuthority { scope: &scope, prefix, grant: Some(&grant), namespace, store: "store" };
        let asked = format!("{start}{path}");
        let entry = DataFromEntry { path: Some(asked.clone()), recursive: Some(recursive), ..DataFromEntry::default() };
        let spec = SecureParameterSpec { data_from: vec![entry], ..SecureParameterSpec::default() };
        if plan_of(&spec, &authority).is_err() {
            return;
        }
        accepted.set(accepted.get() + 1);
        let arn = meant(prefix, &asked).expect("a path that was accepted");
        for name in below {
            let name = if recursive { &*name } else { name.split('/').next().unwrap_or_default() };
            assert!(!model.granting(&format!("{arn}/{name}")).is_empty(), "{asked} holds {name}");
        }
    });
    assert!(accepted.get() > 100, "only {} accepted", accepted.get());
}
