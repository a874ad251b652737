//! Who may read what: the access rules of a cluster store, denied by default.

use std::collections::BTreeMap;

use globset::GlobMatcher;

use crate::api::{AccessRule, LabelRequirement, LabelSelector, NamespaceMatch, SelectorOperator};
use crate::domain::{
    access::glob,
    parameter::{name::Scope, path_query::PathQuery},
};

/// A namespace as policies see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// The globs that one namespace is granted by one store, compiled.
#[derive(Clone, Debug)]
pub struct Grant {
    names: Vec<GlobMatcher>,
    arns: Vec<GlobMatcher>,
    keys: Vec<GlobMatcher>,
    any_key: bool,
}

/// Stands for every key.
const ANY_KEY: &str = "*";

/// Placeholder for the name of the reading namespace.
const PLACEHOLDER: &str = "{namespace}";

impl Grant {
    /// Compiles what `rules` grant to `namespace`.
    ///
    /// # Errors
    /// The first glob that is none, as a sentence.
    pub fn new(rules: &[AccessRule], namespace: &Namespace) -> Result<Self, String> {
        let mut grant = Self { names: Vec::new(), arns: Vec::new(), keys: Vec::new(), any_key: false };
        let rules = || rules.iter().filter(|rule| selects(&rule.namespaces, namespace));
        for glob in rules().flat_map(|rule| &rule.kms_decrypt_keys) {
            grant.any_key |= glob == ANY_KEY;
            grant.keys.push(compile(glob, &namespace.name)?);
        }
        for glob in rules().flat_map(|rule| &rule.parameters) {
            let globs = if glob.starts_with("arn:") { &mut grant.arns } else { &mut grant.names };
            globs.push(compile(glob, &namespace.name)?);
        }
        Ok(grant)
    }

    /// Whether the parameter with this ARN may be read. Globs on names are for the store's own account and region, so
    /// that none grants what others share.
    pub fn allows(&self, arn: &str, scope: &Scope) -> bool {
        self.one_allows(&[arn], scope)
    }

    /// Whether values may be decrypted by a key, as `kmsDecrypt.keyId` names it; by any, if it names none.
    pub fn allows_key(&self, key_id: Option<&str>) -> bool {
        self.any_key || key_id.is_some_and(|key_id| self.keys.iter().any(|glob| glob.is_match(key_id)))
    }

    /// Whether everything that may lie below a path may be read. Else not even the names there are shown.
    pub fn allows_listing(&self, listing: &PathQuery, scope: &Scope) -> bool {
        // No name of a parameter holds these: only wildcards match them. One byte and several, since a `?` is one.
        const ANY: [&str; 2] = ["\u{1}", "\u{fffc}\u{fffc}\u{fffc}"];
        // Most levels of a name (Systems Manager User Guide, "Working with parameter hierarchies").
        const LEVELS: usize = 15;
        let deepest = if listing.recursive { LEVELS } else { 1 };
        (1..=deepest).all(|depth| {
            let below = |any| scope.parameter_arn(&format!("{}{}", listing.path, format!("/{any}").repeat(depth)));
            let [short, long] = ANY.map(below);
            self.one_allows(&[&short, &long], scope)
        })
    }

    /// Whether one glob matches all these ARNs.
    fn one_allows(&self, arns: &[&str], scope: &Scope) -> bool {
        let by_name =
            |glob: &GlobMatcher| arns.iter().all(|arn| scope.own_name(arn).is_some_and(|name| glob.is_match(name)));
        let by_arn = |glob: &GlobMatcher| arns.iter().all(|arn| glob.is_match(arn));
        self.names.iter().any(by_name) || self.arns.iter().any(by_arn)
    }
}

/// Checks the globs of all rules, whoever they are for.
///
/// # Errors
/// The first glob that is none, as a sentence.
pub fn validate(rules: &[AccessRule]) -> Result<(), String> {
    let globs = rules.iter().flat_map(|rule| rule.parameters.iter().chain(&rule.kms_decrypt_keys));
    globs.into_iter().try_for_each(|glob| compile(glob, "namespace").map(drop))
}

fn compile(glob: &str, namespace: &str) -> Result<GlobMatcher, String> {
    // The placeholder must be a whole segment: in "/{namespace}*" the namespace "shop" would also be granted what
    // belongs to "shop-internal".
    let segments: Vec<_> = glob
        .split('/')
        .map(|segment| if segment == PLACEHOLDER { Some(namespace) } else { Some(segment) })
        .map(|segment| segment.filter(|s| !s.contains(['{', '}'])))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("glob {glob} may use braces only for {PLACEHOLDER} as a whole path segment"))?;
    glob::compile(&segments.join("/"))
}

fn selects(matcher: &NamespaceMatch, namespace: &Namespace) -> bool {
    match matcher {
        NamespaceMatch { names: Some(names), .. } => names.contains(&namespace.name),
        NamespaceMatch { selector: Some(selector), .. } => selector_matches(selector, &namespace.labels),
        NamespaceMatch { all, .. } => all.unwrap_or_default(),
    }
}

fn selector_matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let wanted = selector.match_labels.iter().flatten();
    let requirements = selector.match_expressions.as_deref().unwrap_or_default();
    let is_empty = selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty) && requirements.is_empty();
    // An empty selector selects everything elsewhere in Kubernetes; here a slip must not grant everything.
    !is_empty
        && wanted.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && requirements.iter().all(|requirement| requirement_holds(requirement, labels))
}

fn requirement_holds(requirement: &LabelRequirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let listed = || value.is_some_and(|v| requirement.values.iter().flatten().any(|listed| listed == v));
    match requirement.operator {
        SelectorOperator::In => listed(),
        SelectorOperator::NotIn => !listed(),
        SelectorOperator::Exists => value.is_some(),
        SelectorOperator::DoesNotExist => value.is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    fn rule(namespaces: NamespaceMatch, globs: &[&str]) -> AccessRule {
        AccessRule { namespaces, parameters: globs.iter().map(ToString::to_string).collect(), ..AccessRule::default() }
    }

    fn all() -> NamespaceMatch {
        NamespaceMatch { all: Some(true), ..NamespaceMatch::default() }
    }

    fn allows(rules: &[AccessRule], namespace: &str, labels: &[(&str, &str)], name: &str) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let grant = Grant::new(rules, &Namespace { name: namespace.to_owned(), labels });
        let arn = if name.starts_with("arn:") { name.to_owned() } else { scope().parameter_arn(name) };
        grant.is_ok_and(|grant| grant.allows(&arn, &scope()))
    }

    #[test]
    fn nothing_is_granted_by_default() {
        assert!(!allows(&[], "shop", &[], "/shop/a"));
    }

    #[test]
    fn globs_are_anchored_and_stop_at_slashes() {
        for (glob, name, expected) in [
            ("/shop/**", "/shop/a", true),
            ("/shop/**", "/shop/a/b", true),
            ("/shop/**", "/shop", false),
            ("/shop/**", "/shop-internal/a", false),
            ("/shop/**", "/x/shop/a", false),
            ("/shop/*", "/shop/a", true),
            ("/shop/*", "/shop/a/b", false),
            ("/shop/a", "/shop/a", true),
            ("/shop/a", "/shop/ab", false),
            ("/root", "root", true),
            ("/**", "/any/thing", true),
            ("/shop/**", "arn:aws:ssm:eu-central-1:999999999999:parameter/shop/a", false),
            ("/**", "arn:aws:ssm:eu-central-1:999999999999:parameter/shop/a", false),
            (
                "arn:aws:ssm:*:999999999999:parameter/shop/**",
                "arn:aws:ssm:eu-central-1:999999999999:parameter/shop/a",
                true,
            ),
            ("/shop/**", "arn:aws:ssm:eu-central-1:111122223333:parameter/shop/a", true),
        ] {
            assert_eq!(allows(&[rule(all(), &[glob])], "shop", &[], name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn a_path_is_listed_only_where_all_below_it_is_granted() {
        for (glob, path, recursive, expected) in [
            ("/shop/**", "/shop", true, true),
            ("/shop/**", "/shop/db", true, true),
            ("/shop/**", "/", true, false),
            ("/shop/*", "/shop", false, true),
            ("/shop/*", "/shop", true, false),
            ("/shop/db-*", "/shop", false, false),
            ("/shop/???", "/shop", false, false),
            ("/shop/?????????", "/shop", false, false),
            ("/shop/?*?", "/shop", false, false),
            ("/shop/?*", "/shop", false, true),
            ("/shop/**", "/shopping", true, false),
            ("/*/db/**", "/shop/db", true, true),
            ("/**", "/shop", true, true),
            ("arn:aws:ssm:eu-central-1:111122223333:parameter/shop/**", "/shop", true, true),
            ("arn:aws:ssm:eu-central-1:999999999999:parameter/**", "/shop", true, false),
        ] {
            let namespace = Namespace { name: "shop".into(), ..Namespace::default() };
            let grant = Grant::new(&[rule(all(), &[glob])], &namespace).expect("a valid glob");
            let listing = PathQuery { path: path.trim_end_matches('/').into(), recursive, label: None };
            assert_eq!(grant.allows_listing(&listing, &scope()), expected, "{glob} {path} {recursive}");
        }
    }

    #[test]
    fn keys_are_granted_as_they_are_named() {
        let grant = |globs: &[&str]| {
            let kms_decrypt_keys = globs.iter().map(ToString::to_string).collect();
            let rule = AccessRule { kms_decrypt_keys, ..rule(all(), &["/**"]) };
            Grant::new(&[rule], &Namespace { name: "shop".into(), ..Namespace::default() }).expect("valid globs")
        };
        let arn = "arn:aws:kms:eu-central-1:111122223333:key/0d9f";
        for (globs, key_id, expected) in [
            (&[][..], Some("alias/shop"), false),
            (&[], None, false),
            (&["alias/{namespace}"], Some("alias/shop"), true),
            (&["alias/{namespace}"], Some("alias/other"), false),
            (&["alias/{namespace}"], Some("arn:aws:kms:eu-central-1:111122223333:alias/shop"), false),
            (&["alias/{namespace}"], None, false),
            (&["alias/*", "arn:aws:kms:*:111122223333:key/*"], Some(arn), true),
            (&["*"], Some(arn), true),
            (&["*"], None, true),
            (&["**"], None, false),
        ] {
            assert_eq!(grant(globs).allows_key(key_id), expected, "{globs:?} {key_id:?}");
        }
    }

    #[test]
    fn the_namespace_stands_for_a_whole_segment() {
        let rules = [rule(all(), &["/{namespace}/**"])];
        assert!(allows(&rules, "shop", &[], "/shop/a"));
        assert!(!allows(&rules, "shop", &[], "/shop-internal/a"));
        assert!(!allows(&rules, "shop", &[], "/other/a"));
        for broken in ["/{namespace}*", "/x{namespace}/**", "/{other}/**", "/{a,b}/**"] {
            assert!(validate(&[rule(all(), &[broken])]).is_err(), "{broken}");
        }
    }

    #[test]
    fn namespaces_are_chosen_by_name_or_label() {
        let names = NamespaceMatch { names: Some(vec!["shop".into()]), ..NamespaceMatch::default() };
        assert!(allows(&[rule(names.clone(), &["/**"])], "shop", &[], "/a"));
        assert!(!allows(&[rule(names, &["/**"])], "shop2", &[], "/a"));

        let selector = |selector| NamespaceMatch { selector: Some(selector), ..NamespaceMatch::default() };
        let team = LabelSelector {
            match_labels: Some([("team".to_owned(), "a".to_owned())].into()),
            ..LabelSelector::default()
        };
        assert!(allows(&[rule(selector(team.clone()), &["/**"])], "x", &[("team", "a")], "/a"));
        assert!(!allows(&[rule(selector(team), &["/**"])], "x", &[("team", "b")], "/a"));
        assert!(!allows(&[rule(selector(LabelSelector::default()), &["/**"])], "x", &[], "/a"), "empty selector");
        assert!(!allows(&[rule(NamespaceMatch::default(), &["/**"])], "x", &[], "/a"), "empty match");
    }

    #[test]
    fn label_requirements_follow_kubernetes() {
        let holds = |operator, values: &[&str], labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let values = Some(values.iter().map(ToString::to_string).collect());
            requirement_holds(&LabelRequirement { key: "k".into(), operator, values }, &labels)
        };
        assert!(holds(SelectorOperator::In, &["a", "b"], &[("k", "b")]));
        assert!(!holds(SelectorOperator::In, &["a"], &[]));
        assert!(holds(SelectorOperator::NotIn, &["a"], &[]));
        assert!(!holds(SelectorOperator::NotIn, &["a"], &[("k", "a")]));
        assert!(holds(SelectorOperator::Exists, &[], &[("k", "")]));
        assert!(holds(SelectorOperator::DoesNotExist, &[], &[]));
    }
}
