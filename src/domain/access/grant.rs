//! What the access rules of a cluster store grant to one namespace. What no rule grants is denied.

use crate::api::{AccessRule, NamespacesFrom};
use crate::domain::{
    access::{
        glob::{self, Glob},
        key_glob::KeyGlob,
        namespace::{Namespace, selects},
    },
    parameter::{name::MOST_LEVELS, path_query::PathQuery, scope::Scope},
};

/// What one store grants to one namespace, compiled.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Names of the rules that are for this namespace alone, so that a change of them concerns nobody else.
    own_rules: Vec<String>,
    rules: Vec<GrantedRule>,
    kms_decrypt_keys: Vec<Glob>,
    any_kms_decrypt_key: bool,
}

/// What one rule grants to the namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrantedRule {
    /// Globs on names of the store's own account and region.
    pub(crate) names: Vec<Glob>,
    /// Globs on ARNs.
    pub(crate) arns: Vec<Glob>,
    /// Globs on the keys that must encrypt the values. `None`: any key, and no encryption too.
    pub(crate) kms_keys: Option<Vec<KeyGlob>>,
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

/// What AWS keeps for itself begins with this: parameters, among them secrets of Secrets Manager, and aliases of keys. A
/// namespace with this name is no key to it.
const RESERVED: &str = "aws";

impl Grant {
    /// Compiles what `rules` grant to `namespace`.
    ///
    /// # Errors
    /// Names the first rule with an invalid glob, and says what is wrong with it, without a full stop.
    pub fn new(rules: &[AccessRule], namespace: &Namespace) -> Result<Self, String> {
        let mut grant =
            Self { own_rules: Vec::new(), rules: Vec::new(), kms_decrypt_keys: Vec::new(), any_kms_decrypt_key: false };
        for rule in rules.iter().filter(|rule| selects(&rule.namespaces, namespace)) {
            let is_by_name = rule.namespaces.from == NamespacesFrom::Names;
            if is_by_name && rule.namespaces.names.as_ref().is_some_and(|names| names.len() == 1) {
                grant.own_rules.push(rule.name.clone());
            }
            grant.any_kms_decrypt_key |= rule.kms_decrypt_keys.iter().any(|glob| glob == ANY_KMS_KEY);
            grant.kms_decrypt_keys.extend(compile_all(rule, &rule.kms_decrypt_keys, &namespace.name)?);
            grant.rules.push(GrantedRule::new(rule, &namespace.name)?);
        }
        Ok(grant)
    }

    /// Returns the names of the rules that are for this namespace alone.
    pub(crate) fn own_rules(&self) -> &[String] {
        &self.own_rules
    }

    /// Reports whether some rule grants its parameters only with certain keys.
    pub(crate) fn checks_keys(&self) -> bool {
        self.rules.iter().any(|rule| rule.kms_keys.is_some())
    }

    /// Returns the texts of all globs, for policies of IAM.
    pub(crate) fn globs(&self) -> GrantedGlobs<'_> {
        GrantedGlobs {
            names: self.rules.iter().flat_map(|rule| texts(&rule.names)).collect(),
            arns: self.rules.iter().flat_map(|rule| texts(&rule.arns)).collect(),
            kms_decrypt_keys: texts(&self.kms_decrypt_keys),
        }
    }

    /// Returns the rules that grant the parameter with this ARN.
    pub(crate) fn rules_for(&self, arn: &str, scope: &Scope) -> impl Iterator<Item = &GrantedRule> {
        self.rules.iter().filter(move |rule| rule.one_glob_allows(&[arn], scope))
    }

    /// Reports whether the parameter with this ARN may be read, with some key. Globs on names cover the store's own account
    /// and region only, so that none of them grants what other accounts share.
    pub fn allows(&self, arn: &str, scope: &Scope) -> bool {
        self.rules_for(arn, scope).next().is_some()
    }

    /// Reports whether `kmsDecrypt` may use a KMS key, as its `keyID` names it; any key, if there is no `keyID`.
    pub(crate) fn allows_kms_decrypt(&self, key_id: Option<&str>) -> bool {
        let allows = |key_id| self.kms_decrypt_keys.iter().any(|glob| glob.is_match(key_id));
        self.any_kms_decrypt_key || key_id.is_some_and(allows)
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
            self.rules.iter().any(|rule| rule.one_glob_allows(&[&short, &long], scope))
        })
    }
}

impl GrantedRule {
    fn new(rule: &AccessRule, namespace: &str) -> Result<Self, String> {
        let globs = compile_all(rule, &rule.parameters, namespace)?;
        let (arns, names) = globs.into_iter().partition(|glob| glob.text().starts_with("arn:"));
        // Keys that were named and then left out for a reason still limit the rule.
        let keys = compile_all(rule, &rule.kms_keys, namespace)?.into_iter().map(KeyGlob::new).collect();
        Ok(Self { names, arns, kms_keys: (!rule.kms_keys.is_empty()).then_some(keys) })
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
        let mut globs = rule.parameters.iter().chain(&rule.kms_keys).chain(&rule.kms_decrypt_keys);
        globs.try_for_each(|glob| compile(rule, glob, "namespace").map(drop))
    })
}

/// Compiles globs, without those that would grant a namespace what AWS keeps for itself.
fn compile_all(rule: &AccessRule, globs: &[String], namespace: &str) -> Result<Vec<Glob>, String> {
    let granted = globs.iter().filter(|glob| namespace != RESERVED || !begins_with_placeholder(glob));
    granted.map(|glob| compile(rule, glob, namespace)).collect()
}

/// Reports whether the placeholder may be the first level of what a glob matches.
fn begins_with_placeholder(glob: &str) -> bool {
    let levels = glob.split('/').skip_while(|level| level.is_empty() || level.contains(':') || *level == "alias");
    levels.take_while(|level| *level == "**" || *level == PLACEHOLDER).any(|level| level == PLACEHOLDER)
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
        let grant = Grant::new(rules, &Namespace { name: namespace.to_owned(), labels, is_hidden: false });
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
            assert_eq!(grant(globs).allows_kms_decrypt(key_id), expected, "{globs:?} {key_id:?}");
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
