//! What the access rules of a cluster store grant to one namespace. What no rule grants is denied.

use crate::api::{AccessRule, NamespacesFrom};
use crate::domain::{
    access::{
        glob::{self, Glob},
        namespace::{Namespace, selects},
    },
    parameter::{name::MOST_LEVELS, path_query::PathQuery, scope::Scope},
};

/// The globs that one store grants to one namespace, compiled.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Names of the rules that are for this namespace alone, so that a change of them concerns nobody else.
    rules: Vec<String>,
    names: Vec<Glob>,
    arns: Vec<Glob>,
    kms_keys: Vec<Glob>,
    any_kms_key: bool,
}

/// The globs of a grant, by kind, with the namespace in its place.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrantedGlobs<'a> {
    /// Globs on names of the own account and region.
    pub names: Vec<&'a str>,
    /// Globs on ARNs.
    pub arns: Vec<&'a str>,
    /// Globs on the keys that `kmsDecrypt` may use.
    pub kms_decrypt_keys: Vec<&'a str>,
}

/// Stands for every KMS key.
pub(crate) const ANY_KMS_KEY: &str = "*";

/// Placeholder for the name of the reading namespace.
const PLACEHOLDER: &str = "{namespace}";

impl Grant {
    /// Compiles what `rules` grant to `namespace`.
    ///
    /// # Errors
    /// Names the first rule with an invalid glob, and says what is wrong with it, without a full stop.
    pub fn new(rules: &[AccessRule], namespace: &Namespace) -> Result<Self, String> {
        let mut grant =
            Self { rules: Vec::new(), names: Vec::new(), arns: Vec::new(), kms_keys: Vec::new(), any_kms_key: false };
        for rule in rules.iter().filter(|rule| selects(&rule.namespaces, namespace)) {
            if rule
                .namespaces
                .names
                .as_ref()
                .is_some_and(|names| rule.namespaces.from == NamespacesFrom::Names && names.len() == 1)
            {
                grant.rules.push(rule.name.clone());
            }
            for glob in &rule.kms_decrypt_keys {
                grant.any_kms_key |= glob == ANY_KMS_KEY;
                grant.kms_keys.push(compile(rule, glob, &namespace.name)?);
            }
            for glob in &rule.parameters {
                let globs = if glob.starts_with("arn:") { &mut grant.arns } else { &mut grant.names };
                globs.push(compile(rule, glob, &namespace.name)?);
            }
        }
        Ok(grant)
    }

    /// Returns the names of the rules that are for this namespace alone.
    pub(crate) fn rules(&self) -> &[String] {
        &self.rules
    }

    /// Returns the texts of all globs, for policies of IAM.
    pub(crate) fn globs(&self) -> GrantedGlobs<'_> {
        GrantedGlobs { names: texts(&self.names), arns: texts(&self.arns), kms_decrypt_keys: texts(&self.kms_keys) }
    }

    /// Reports whether the parameter with this ARN may be read. Globs on names cover the store's own account and region
    /// only, so that none of them grants what other accounts share.
    pub fn allows(&self, arn: &str, scope: &Scope) -> bool {
        self.one_glob_allows(&[arn], scope)
    }

    /// Reports whether `kmsDecrypt` may use a KMS key, as its `keyID` names it; any key, if there is no `keyID`.
    pub(crate) fn allows_kms_key(&self, key_id: Option<&str>) -> bool {
        self.any_kms_key || key_id.is_some_and(|key_id| self.kms_keys.iter().any(|glob| glob.is_match(key_id)))
    }

    /// Reports whether everything that may exist below a path may be read. If not, not even the names there are shown.
    pub(crate) fn allows_path(&self, query: &PathQuery, scope: &Scope) -> bool {
        // Only wildcards match these, since no name of a parameter holds such characters. A `?` matches one character, so
        // a short and a long one are tried.
        const ANY: [&str; 2] = ["\u{1}", "\u{fffc}\u{fffc}\u{fffc}"];
        let deepest = if query.recursive { MOST_LEVELS } else { 1 };
        (1..=deepest).all(|depth| {
            let below = |any| scope.parameter_arn(&format!("{}{}", query.path, format!("/{any}").repeat(depth)));
            let [short, long] = ANY.map(below);
            self.one_glob_allows(&[&short, &long], scope)
        })
    }

    /// Reports whether one glob matches all these ARNs.
    fn one_glob_allows(&self, arns: &[&str], scope: &Scope) -> bool {
        let by_name = |glob: &Glob| arns.iter().all(|arn| scope.own_name(arn).is_some_and(|name| glob.is_match(name)));
        let by_arn = |glob: &Glob| arns.iter().all(|arn| glob.is_match(arn));
        self.names.iter().any(by_name) || self.arns.iter().any(by_arn)
    }
}

fn texts(globs: &[Glob]) -> Vec<&str> {
    globs.iter().map(Glob::text).collect()
}

/// Checks the globs of all rules, whichever namespace they are for.
///
/// # Errors
/// Names the first rule with an invalid glob, and says what is wrong with it, without a full stop.
pub fn validate(rules: &[AccessRule]) -> Result<(), String> {
    rules.iter().try_for_each(|rule| {
        let mut globs = rule.parameters.iter().chain(&rule.kms_decrypt_keys);
        globs.try_for_each(|glob| compile(rule, glob, "namespace").map(drop))
    })
}

fn compile(rule: &AccessRule, glob: &str, namespace: &str) -> Result<Glob, String> {
    // The placeholder must be a whole segment: "/{namespace}*" would also grant the namespace "shop" what belongs to
    // "shop-internal".
    let segments: Option<Vec<_>> = glob
        .split('/')
        .map(|segment| if segment == PLACEHOLDER { Some(namespace) } else { Some(segment) })
        .map(|segment| segment.filter(|s| !s.contains(['{', '}'])))
        .collect();
    let compiled = match segments {
        Some(segments) => glob::compile(&segments.join("/")),
        None => Err(format!("glob {glob} has braces, which may only hold {PLACEHOLDER} as a whole path segment")),
    };
    compiled.map_err(|problem| format!("in rule {}, {problem}", rule.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{NamespaceMatch, NamespacesFrom};

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    fn rule(namespaces: NamespaceMatch, globs: &[&str]) -> AccessRule {
        AccessRule { namespaces, parameters: globs.iter().map(ToString::to_string).collect(), ..AccessRule::default() }
    }

    fn all() -> NamespaceMatch {
        NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() }
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
    fn a_path_is_granted_only_where_all_below_it_is_granted() {
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
            let query = PathQuery { path: path.trim_end_matches('/').into(), recursive, label: None };
            assert_eq!(grant.allows_path(&query, &scope()), expected, "{glob} {path} {recursive}");
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
            assert_eq!(grant(globs).allows_kms_key(key_id), expected, "{globs:?} {key_id:?}");
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
}
