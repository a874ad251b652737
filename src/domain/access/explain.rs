//! Which rules let a namespace read a parameter, for people who ask.

use crate::{
    api::AccessRule,
    domain::{
        access::{grant::Grant, namespace::Namespace, read_authority::ReadAuthority},
        parameter::{
            name::{ParameterRef, full_name, is_possible, is_too_long},
            path_query::PathQuery,
            scope::Scope,
        },
    },
};

/// What somebody wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A parameter, by name or ARN.
    Parameter(String),
    /// Everything below a path, which has no slash at its end.
    Below(String),
}

/// The rules of a store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreRules<'a> {
    /// Kind and name of the store.
    pub(crate) store: &'a str,
    /// Its rules.
    pub(crate) rules: &'a [AccessRule],
    /// Its prefix for names and paths; empty if it has none.
    pub(crate) prefix: &'a str,
    /// The place that plain names belong to.
    pub(crate) scope: &'a Scope,
}

/// A rule that lets a namespace read what is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GrantingRule<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its globs that match, as they are written.
    pub(crate) globs: Vec<&'a str>,
    /// The keys of which one must encrypt the value; any if there are none.
    pub(crate) kms_keys: &'a [String],
}

impl Wanted {
    /// Reads what is wanted as people write it: with a slash at its end, it is a path.
    ///
    /// # Errors
    /// One sentence, if no parameter can have this name.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let name = text.split_once(":parameter/").filter(|_| text.starts_with("arn:")).map_or(text, |(_, name)| name);
        let is_path = name.ends_with('/');
        let name = name.strip_suffix('/').unwrap_or(name);
        // The root is a path.
        if !(is_path && name.is_empty()) && (!is_possible(name) || is_too_long(name)) {
            return Err(format!(
                "{text:?} is no name of a parameter: write it as a SecureParameter does, without version or label."
            ));
        }
        match (is_path, text.starts_with("arn:")) {
            (true, true) => Err("A path is read in the account of the store; write it without ARN.".to_owned()),
            (true, false) if !text.starts_with('/') => Err(format!("Path {text} must begin with a slash.")),
            (true, false) => Ok(Self::Below(name.to_owned())),
            (false, _) => Ok(Self::Parameter(text.to_owned())),
        }
    }
}

impl<'a> StoreRules<'a> {
    /// Returns the full name of what is wanted, with the prefix of the store.
    pub(crate) fn full_name(&self, wanted: &Wanted) -> String {
        match wanted {
            Wanted::Parameter(name) => full_name(self.prefix, name),
            Wanted::Below(path) => format!("{}/**", full_name(self.prefix, path)),
        }
    }

    /// Returns the rules that let a namespace read what is wanted.
    ///
    /// # Errors
    /// Names the first rule with an invalid glob, and says what is wrong with it, without a full stop.
    pub(crate) fn granting(&self, wanted: &Wanted, namespace: &Namespace) -> Result<Vec<GrantingRule<'a>>, String> {
        let rule = |rule: &'a AccessRule| {
            let mut globs = Vec::new();
            for glob in &rule.parameters {
                let alone = AccessRule { parameters: vec![glob.clone()], ..rule.clone() };
                let grant = Grant::new(&[alone], namespace)?;
                if self.allows(&grant, wanted) {
                    globs.push(glob.as_str());
                }
            }
            Ok(GrantingRule { name: &rule.name, globs, kms_keys: &rule.kms_keys })
        };
        let rules: Result<Vec<_>, String> = self.rules.iter().map(rule).collect();
        Ok(rules?.into_iter().filter(|rule| !rule.globs.is_empty()).collect())
    }

    /// Returns why a namespace may not read what is wanted, and which rule would be needed.
    pub(crate) fn refusal(&self, wanted: &Wanted, namespace: &Namespace) -> Option<String> {
        let grant = match Grant::new(self.rules, namespace) {
            Ok(grant) => grant,
            Err(problem) => return Some(format!("The store is not valid: {problem}.")),
        };
        let Self { store, prefix, scope, .. } = *self;
        let authority = ReadAuthority { scope, prefix, grant: Some(&grant), namespace: &namespace.name, store };
        let checked = match wanted {
            Wanted::Parameter(name) => authority.check(std::iter::once(&self.parameter(name))),
            Wanted::Below(path) => authority.check_path(&self.query(path)),
        };
        checked.err().map(|fault| fault.message)
    }

    fn allows(&self, grant: &Grant, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Parameter(name) => grant.allows(&self.parameter(name).arn, self.scope),
            Wanted::Below(path) => grant.allows_path(&self.query(path), self.scope),
        }
    }

    fn parameter(&self, name: &str) -> ParameterRef {
        ParameterRef::new(&full_name(self.prefix, name), None, self.scope)
    }

    fn query(&self, path: &str) -> PathQuery {
        PathQuery { path: full_name(self.prefix, path), recursive: true, label: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{NamespaceMatch, NamespacesFrom};

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    fn rules() -> Vec<AccessRule> {
        let rule = |name: &str, from, globs: &[&str], keys: &[&str]| AccessRule {
            name: name.into(),
            namespaces: NamespaceMatch { from, names: Some(vec!["shop".into()]), ..NamespaceMatch::default() },
            parameters: globs.iter().map(ToString::to_string).collect(),
            kms_keys: keys.iter().map(ToString::to_string).collect(),
            ..AccessRule::default()
        };
        vec![
            rule("own", NamespacesFrom::All, &["/prod/{namespace}/**", "/prod/common/*"], &[]),
            rule(
                "db",
                NamespacesFrom::Names,
                &["/prod/shop/db-*", "arn:aws:ssm:*:999999999999:parameter/**"],
                &["alias/db"],
            ),
        ]
    }

    fn granted(wanted: &str, namespace: &str) -> Vec<(String, Vec<String>)> {
        let (rules, scope) = (rules(), scope());
        let store =
            StoreRules { store: "ClusterParameterStore default", rules: &rules, prefix: "/prod", scope: &scope };
        let namespace = Namespace { name: namespace.into(), ..Namespace::default() };
        let wanted = Wanted::parse(wanted).expect("a name");
        let granting = store.granting(&wanted, &namespace).expect("valid rules");
        assert_eq!(granting.is_empty(), store.refusal(&wanted, &namespace).is_some(), "both say the same");
        let text =
            |rule: &GrantingRule<'_>| (rule.name.to_owned(), rule.globs.iter().map(ToString::to_string).collect());
        granting.iter().map(text).collect()
    }

    fn rule(name: &str, glob: &str) -> (String, Vec<String>) {
        (name.to_owned(), vec![glob.to_owned()])
    }

    #[test]
    fn every_rule_and_glob_that_grants_is_named() {
        let own = rule("own", "/prod/{namespace}/**");
        for (wanted, namespace, expected) in [
            ("/shop/db-password", "shop", vec![own.clone(), rule("db", "/prod/shop/db-*")]),
            ("/shop/db-password", "other", vec![]),
            ("/other/x", "other", vec![own.clone()]),
            ("/common/x", "other", vec![rule("own", "/prod/common/*")]),
            ("/shop/", "shop", vec![own.clone()]),
            ("/common/", "shop", vec![]),
            ("/", "shop", vec![]),
            (
                "arn:aws:ssm:eu-central-1:999999999999:parameter/a",
                "shop",
                vec![rule("db", "arn:aws:ssm:*:999999999999:parameter/**")],
            ),
            ("arn:aws:ssm:eu-central-1:111122223333:parameter/prod/shop/a", "shop", vec![own]),
        ] {
            assert_eq!(granted(wanted, namespace), expected, "{wanted} {namespace}");
        }
    }

    #[test]
    fn what_no_parameter_can_be_called_is_refused() {
        for wrong in ["", "/a:3", "/a b", "a//b", "shop/", "arn:aws:ssm:eu-central-1:999999999999:parameter/a/"] {
            assert!(Wanted::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
