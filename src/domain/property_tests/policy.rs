//! Grants allow what one of their globs matches, and nothing of another namespace.

use std::cell::Cell;

use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof},
    sample::select,
};

use crate::{
    api::{AccessRule, NamespaceMatch, NamespacesFrom},
    domain::{
        access::{grant::Grant, namespace::Namespace},
        parameter::path_query::PathQuery,
        property_tests::{
            check,
            glob::{NAME_SEGMENTS, matches, path},
            scope,
        },
    },
};

pub(super) const NAMESPACES: &[&str] = &["a", "b", "ab", "a-b"];
const GLOB_SEGMENTS: &[&str] = &["a", "b", "ab", "*", "*", "**", "**", "?", "a*", "*?", "{namespace}", "{namespace}"];
/// Segments that seem to match all below a path.
const WIDE_SEGMENTS: &[&str] = &["*", "*", "*", "*", "?*", "*?", "?*?", "?????????", "?", "**"];
pub(super) const SEGMENTS: &[&str] = &["a", "b", "ab", "a-b", "x", "abcdefghi"];
pub(super) const OWN: &str = "arn:aws:ssm:eu-central-1:111122223333:parameter/";
pub(super) const FOREIGN: &str = "arn:aws:ssm:eu-central-1:999999999999:parameter/";
const ROOTS: &[&str] = &["/", "/", "/", "**/", FOREIGN, OWN, "arn:aws:ssm:*:999999999999:parameter/", "arn:**/"];

fn all_namespaces() -> NamespaceMatch {
    NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() }
}

fn named(names: Vec<&str>) -> NamespaceMatch {
    NamespaceMatch { names: Some(names.into_iter().map(str::to_owned).collect()), ..NamespaceMatch::default() }
}

fn rule_for(namespaces: NamespaceMatch, parameters: Vec<String>) -> AccessRule {
    AccessRule { namespaces, parameters, ..AccessRule::default() }
}

pub(super) fn rule() -> impl Strategy<Value = AccessRule> {
    let namespaces = prop_oneof![Just(all_namespaces()), vec(select(NAMESPACES), 0..3).prop_map(named)];
    let glob = (select(ROOTS), path(GLOB_SEGMENTS, 4)).prop_map(|(root, path)| root.to_owned() + &path);
    (namespaces, vec(glob, 1..3)).prop_map(|(namespaces, globs)| rule_for(namespaces, globs))
}

pub(super) fn wide_rule() -> impl Strategy<Value = AccessRule> {
    let glob = (select(&["/a/", "/{namespace}/"][..]), path(WIDE_SEGMENTS, 3))
        .prop_map(|(root, path)| root.to_owned() + &path);
    vec(glob, 2..6).prop_map(|globs| rule_for(all_namespaces(), globs))
}

pub(super) fn grant(rules: &[AccessRule], namespace: &str) -> Grant {
    let namespace = Namespace { name: namespace.to_owned(), ..Namespace::default() };
    Grant::new(rules, &namespace).expect("valid globs")
}

/// Model: a rule is for the namespace and has a glob that matches; globs of names match in the own account only.
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
fn a_grant_allows_what_the_model_allows() {
    let allowed = Cell::new(0);
    let arn = (select(&[OWN, OWN, FOREIGN][..]), path(SEGMENTS, 4)).prop_map(|(root, path)| root.to_owned() + &path);
    check(300, (vec(rule(), 1..3), select(NAMESPACES), vec(arn, 20)), |(rules, namespace, arns)| {
        let grant = grant(&rules, namespace);
        for arn in arns {
            let expected = model(&rules, namespace, &arn);
            allowed.set(allowed.get() + u32::from(expected));
            assert_eq!(grant.allows(&arn, &scope()), expected, "{arn}");
        }
    });
    assert!(allowed.get() > 500, "only {} allowed", allowed.get());
}

#[test]
fn a_namespace_placeholder_allows_nothing_of_another_namespace() {
    let namespace = || "a[ab0z-]{0,4}9";
    check(300, (namespace(), namespace(), path(NAME_SEGMENTS, 4)), |(own, other, below)| {
        let grant = grant(&[rule_for(all_namespaces(), vec!["/{namespace}/**".to_owned()])], &own);
        let allows = |root: &str| grant.allows(&format!("{OWN}{root}/{below}"), &scope());
        assert!(allows(&own));
        assert_eq!(allows(&other), own == other);
        assert!(!allows(&format!("{own}{other}")) && !allows(&format!("x/{own}")));
    });
}

/// Otherwise a listing would show names that no rule grants.
#[test]
fn a_path_that_may_be_listed_holds_only_names_that_may_be_read() {
    let listed = Cell::new(0);
    let rules = (prop_oneof![rule(), wide_rule()], rule()).prop_map(|(one, other)| [one, other]);
    let query = (path(NAMESPACES, 2), any::<bool>());
    let below = vec(vec(select(SEGMENTS), 1..=5), 20);
    check(600, (rules, select(&NAMESPACES[..2]), query, below), |(rules, namespace, (path, recursive), below)| {
        let grant = grant(&rules, namespace);
        let query = PathQuery { path: format!("/{path}"), recursive, label: None };
        if !grant.allows_path(&query, &scope()) {
            return;
        }
        listed.set(listed.get() + 1);
        for segments in below {
            let segments = if recursive { &segments[..] } else { &segments[..1] };
            let name = format!("{}/{}", query.path, segments.join("/"));
            assert!(grant.allows(&scope().parameter_arn(&name), &scope()), "{name}");
        }
    });
    assert!(listed.get() > 60, "only {} listed", listed.get());
}
