//! What one object may read.

use std::collections::BTreeSet;

use crate::api::Reason;
use crate::domain::{
    access::grant::Grant,
    parameter::{
        name::{ParameterRef, full_name},
        path_query::PathQuery,
        scope::Scope,
    },
    report::{fault::Fault, text::list},
};

/// The store that an object reads from, and what the store grants to it.
#[derive(Clone, Copy, Debug)]
pub struct ReadAuthority<'a> {
    /// The place that plain names belong to.
    pub scope: &'a Scope,
    /// The store's prefix for names and paths; empty if it has none.
    pub prefix: &'a str,
    /// What the store grants to the object's namespace; `None` for a namespaced store, whose own identity is the boundary.
    pub grant: Option<&'a Grant>,
    /// The object's namespace, for messages.
    pub namespace: &'a str,
    /// Kind and name of the store, for messages.
    pub store: &'a str,
}

impl ReadAuthority<'_> {
    /// Returns a name or path with the prefix of the store before it.
    pub(crate) fn full_name(&self, name: &str) -> String {
        full_name(self.prefix, name)
    }

    /// Checks that all these parameters may be read.
    ///
    /// # Errors
    /// `PolicyDenied`, with all parameters that no rule grants.
    pub(crate) fn check<'r>(&self, parameter_refs: impl Iterator<Item = &'r ParameterRef>) -> Result<(), Fault> {
        let is_denied = |parameter_ref: &&ParameterRef| {
            self.grant.is_some_and(|grant| !grant.allows(&parameter_ref.arn, self.scope))
        };
        let denied: BTreeSet<_> = parameter_refs.filter(is_denied).collect();
        let name =
            |parameter_ref: &&'r ParameterRef| self.scope.own_name(&parameter_ref.arn).unwrap_or(&parameter_ref.arn);
        let subjects: Vec<_> = denied.iter().map(name).collect();
        if denied.is_empty() { Ok(()) } else { Err(self.denied(&list(&subjects), "a glob that matches")) }
    }

    /// Checks that everything below a path may be read.
    ///
    /// # Errors
    /// `PolicyDenied`, with the glob that is needed.
    pub(crate) fn check_path(&self, query: &PathQuery) -> Result<(), Fault> {
        if self.grant.is_none_or(|grant| grant.allows_path(query, self.scope)) {
            return Ok(());
        }
        let glob = format!("{}/{}", query.path, if query.recursive { "**" } else { "*" });
        Err(self.denied(&format!("all of {glob}"), &format!("the glob {glob}, or one that covers it,")))
    }

    /// Checks that `kmsDecrypt` may use a KMS key, as its `keyID` names it. KMS itself ensures that no other key is used.
    ///
    /// # Errors
    /// `PolicyDenied`, with the rule that is needed.
    pub(crate) fn check_kms_key(&self, key_id: Option<&str>) -> Result<(), Fault> {
        if self.grant.is_none_or(|grant| grant.allows_kms_decrypt(key_id)) {
            return Ok(());
        }
        let Self { namespace, store, .. } = self;
        let message = match key_id {
            Some(key_id) => format!(
                "Namespace {namespace} may not decrypt values with KMS key {key_id}: no rule in spec.access of {store} grants \
                 it; add the key to kmsDecryptKeys of {}.",
                self.rules()
            ),
            None => format!(
                "Namespace {namespace} may not decrypt values without naming the KMS key: set kmsDecrypt.keyID to a key that \
                 kmsDecryptKeys in spec.access of {store} grants."
            ),
        };
        Err(Fault::new(Reason::PolicyDenied, message))
    }

    fn denied(&self, subjects: &str, glob: &str) -> Fault {
        let Self { namespace, store, .. } = self;
        let message = format!(
            "Namespace {namespace} may not read {subjects}: no rule in spec.access of {store} grants it; add {glob} to \
             parameters of {}.",
            self.rules()
        );
        Fault::new(Reason::PolicyDenied, message)
    }

    /// Names the rules that could grant more to the namespace.
    pub(super) fn rules(&self) -> String {
        match self.grant.map(Grant::own_rules).unwrap_or_default() {
            [] => format!("a new rule that selects namespace {}", self.namespace),
            [rule] => format!("rule {rule}"),
            rules => format!("one of the rules {}", list(rules)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{AccessRule, NamespaceMatch, NamespacesFrom},
        domain::access::namespace::Namespace,
    };

    #[test]
    fn a_refusal_names_the_rules_that_are_for_this_namespace_alone() {
        let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        let rule = |name: &str, from| AccessRule {
            name: name.into(),
            namespaces: NamespaceMatch { from, names: Some(vec!["shop".into()]), ..NamespaceMatch::default() },
            parameters: vec!["/shared/**".into()],
            ..AccessRule::default()
        };
        let (shared, own) = (rule("shared", NamespacesFrom::All), rule("own", NamespacesFrom::Names));
        for (rules, expected) in [
            (vec![], "add a glob that matches to parameters of a new rule that selects namespace shop"),
            (vec![shared.clone()], "a new rule that selects namespace shop"),
            (vec![shared, own.clone()], "to parameters of rule own."),
            (vec![own.clone(), AccessRule { name: "more".into(), ..own }], "one of the rules own, more."),
        ] {
            let namespace = Namespace { name: "shop".into(), ..Namespace::default() };
            let grant = Grant::new(&rules, &namespace).expect("valid globs");
            let authority = ReadAuthority {
                scope: &scope,
                prefix: "",
                grant: Some(&grant),
                namespace: "shop",
                store: "ClusterParameterStore default",
            };
            let denied = ParameterRef::new("/shop/a", None, &scope);
            let fault = authority.check(std::iter::once(&denied)).expect_err("a refusal");
            assert_eq!(fault.reason, Reason::PolicyDenied);
            assert!(fault.message.contains(expected), "{} lacks {expected}", fault.message);
            let query = PathQuery { path: "/shop".into(), recursive: true, label: None };
            let fault = authority.check_path(&query).expect_err("a refusal");
            assert!(fault.message.contains("add the glob /shop/**"), "{}", fault.message);
            let fault = authority.check_kms_key(Some("alias/shop")).expect_err("a refusal");
            assert!(fault.message.contains("KMS key alias/shop"), "{}", fault.message);
        }
    }
}
