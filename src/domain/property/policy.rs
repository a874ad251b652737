//! Grants: what they allow is what a glob of theirs matches, and nobody reaches into another namespace.

use crate::domain::property::{
    glob::{self, matches, path},
    scope,
};
use crate::{
    api::{AccessRule, NamespaceMatch, NamespacesFrom},
    domain::{
        access::{grant::Grant, namespace::Namespace},
        parameter::path_query::PathQuery,
    },
    random::Random,
};

const NAMESPACES: &[&str] = &["a", "b", "ab", "a-b"];
const SEGMENTS: &[&str] = &["a", "b", "ab", "*", "*", "**", "**", "?", "a*", "*?", "{namespace}", "{namespace}"];
const NAMES: &[&str] = &["a", "b", "ab", "a-b", "x", "abcdefghi"];
const FOREIGN: &str = "arn:aws:ssm:eu-central-1:999999999999:parameter/";
const OWN: &str = "arn:aws:ssm:eu-central-1:111122223333:parameter/";

fn all() -> NamespaceMatch {
    NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() }
}

fn rule(random: &mut Random) -> AccessRule {
    let names = Some((0..random.below(3)).map(|_| random.of(NAMESPACES).to_owned()).collect());
    let namespaces = if random.one_in(2) { all() } else { NamespaceMatch { names, ..NamespaceMatch::default() } };
    let glob = |random: &mut Random| {
        let root = random.of(&["/", "/", "/", "**/", FOREIGN, OWN, "arn:aws:ssm:*:999999999999:parameter/", "arn:**/"]);
        root.to_owned() + &path(random, SEGMENTS, 4)
    };
    AccessRule {
        namespaces,
        parameters: (0..=random.below(2)).map(|_| glob(random)).collect(),
        ..AccessRule::default()
    }
}

fn grant(rules: &[AccessRule], namespace: &str) -> Grant {
    let namespace = Namespace { name: namespace.to_owned(), ..Namespace::default() };
    Grant::new(rules, &namespace).expect("valid globs")
}

/// Whether a rule is for a namespace and has a glob that matches: of names for the own account only.
fn model(rules: &[AccessRule], namespace: &str, arn: &str) -> bool {
    let is_for = |rule: &&AccessRule| match &rule.namespaces.names {
        Some(names) => names.iter().any(|name| name == namespace),
        None => rule.namespaces.from == NamespacesFrom::All,
    };
    let name = arn.strip_prefix(OWN).map(|name| format!("/{name}"));
    rules.iter().filter(is_for).flat_map(|rule| &rule.parameters).any(|glob| {
        let glob = glob.replace("{namespace}", namespace);
        let subject = if glob.starts_with("arn:") { Some(arn) } else { name.as_deref() };
        subject.is_some_and(|subject| matches(&glob, subject))
    })
}

#[test]
fn grants_allow_what_the_model_allows() {
    let random = &mut Random::new(6);
    let mut allowed = 0;
    for _ in 0..600 {
        let rules: Vec<_> = (0..=random.below(2)).map(|_| rule(random)).collect();
        let namespace = random.of(NAMESPACES);
        let grant = grant(&rules, namespace);
        for _ in 0..20 {
            let arn = random.of(&[OWN, OWN, FOREIGN]).to_owned() + &path(random, NAMES, 4);
            let expected = model(&rules, namespace, &arn);
            allowed += usize::from(expected);
            assert_eq!(grant.allows(&arn, &scope()), expected, "{rules:?} {namespace} {arn}");
        }
    }
    assert!(allowed > 1_000, "only {allowed} allowed");
}

#[test]
fn nothing_of_another_namespace_is_allowed() {
    let random = &mut Random::new(7);
    let character = |random: &mut Random| random.of(&["a", "b", "z", "0", "-", "a"]);
    for _ in 0..200 {
        let mut namespace = || {
            let inner: String = (0..random.below(5)).map(|_| character(random)).collect();
            format!("a{inner}9")
        };
        let (own, other) = (namespace(), namespace());
        let rules =
            [AccessRule { namespaces: all(), parameters: vec!["/{namespace}/**".into()], ..AccessRule::default() }];
        let grant = grant(&rules, &own);
        for _ in 0..10 {
            let below = glob::name(random);
            let allows = |root: &str| grant.allows(&format!("{OWN}{root}/{below}"), &scope());
            assert!(allows(&own), "{own} {below}");
            assert_eq!(allows(&other), own == other, "{own} {other} {below}");
            assert!(!allows(&format!("{own}{other}")) && !allows(&format!("x/{own}")), "{own} {other} {below}");
        }
    }
}

/// Globs that seem to match all below a path.
fn wide(random: &mut Random) -> AccessRule {
    let segments = ["*", "*", "*", "*", "?*", "*?", "?*?", "?????????", "?", "**"];
    let glob = |random: &mut Random| random.of(&["/a/", "/{namespace}/"]).to_owned() + &path(random, &segments, 3);
    AccessRule {
        namespaces: all(),
        parameters: (0..2 + random.below(4)).map(|_| glob(random)).collect(),
        ..AccessRule::default()
    }
}

/// Else the listing would show names that nobody granted.
#[test]
fn a_path_that_may_be_listed_holds_nothing_that_may_not_be_read() {
    let random = &mut Random::new(8);
    let mut listed = 0;
    for _ in 0..500 {
        let rules = if random.one_in(2) { [rule(random), rule(random)] } else { [wide(random), rule(random)] };
        let namespace = random.of(&NAMESPACES[..2]);
        let grant = grant(&rules, namespace);
        let recursive = random.one_in(2);
        let listing = PathQuery { path: format!("/{}", path(random, NAMESPACES, 2)), recursive, label: None };
        if !grant.allows_path(&listing, &scope()) {
            continue;
        }
        listed += 1;
        for _ in 0..20 {
            let name = format!("{}/{}", listing.path, path(random, NAMES, if recursive { 5 } else { 1 }));
            let is_allowed = grant.allows(&scope().parameter_arn(&name), &scope());
            assert!(is_allowed, "{rules:?} {namespace} {listing:?} {name}");
        }
    }
    assert!(listed > 60, "only {listed} listed");
}
