//! The access rules that grant what translated objects read, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{AccessRule, NamespaceMatch, NamespacesFrom, SecureParameterSpec},
    domain::{migrate::note::Notes, parameter::name::full_name},
};

/// Most globs of a rule, most characters of a glob, and most rules.
const LIMITS: (usize, usize, usize) = (32, 256, 64);
/// Most characters of a namespace in the name of a further rule, which is a DNS label, too.
const LONGEST_START: usize = 58;

/// Returns the globs for all that a spec reads from a store with this prefix.
pub(super) fn globs(spec: &SecureParameterSpec, prefix: &str) -> BTreeSet<String> {
    let names = spec.data.iter().map(|entry| &entry.parameter);
    let names = names.chain(spec.data_from.iter().filter_map(|entry| entry.parameter.as_ref()));
    let names = names.map(|name| glob(full_name(prefix, name)));
    let paths = spec.data_from.iter().filter_map(|entry| {
        let path = full_name(prefix, entry.path.as_ref()?);
        let below = if entry.recursive.unwrap_or_default() { "**" } else { "*" };
        Some(glob(format!("{}/{below}", path.trim_end_matches('/'))))
    });
    names.chain(paths).collect()
}

/// Returns the glob for one name. Characters that a glob cannot hold become `?`, and the end of a long one `**`.
fn glob(name: String) -> String {
    let is_arn = name.starts_with("arn:");
    let name = if is_arn || name.starts_with('/') { name } else { format!("/{name}") };
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/*".contains(c);
    let mut glob: String = name.chars().map(|c| if allowed(c) { c } else { '?' }).collect();
    if glob.len() > LIMITS.1 {
        glob.truncate(LIMITS.1 - 3);
        glob.truncate(glob.rfind('/').unwrap_or_default());
        glob.push_str("/**");
    }
    glob
}

/// Returns the name of a further rule of a namespace. It is that of no namespace, which is the name of a first rule.
fn next<T>(namespace: &str, namespaces: &BTreeMap<String, T>, numbers: &mut BTreeMap<String, usize>) -> String {
    // Long namespaces may begin alike, and then count together.
    let start: String = namespace.chars().take(LONGEST_START).collect();
    let number = numbers.entry(start.clone()).or_insert(1);
    loop {
        *number += 1;
        let name = format!("{start}-{number}");
        if !namespaces.contains_key(&name) {
            return name;
        }
    }
}

/// Returns the rules that grant each namespace its globs.
pub(super) fn rules(namespaces: &BTreeMap<String, BTreeSet<String>>, notes: &Notes) -> Vec<AccessRule> {
    let mut rules = Vec::new();
    let mut numbers = BTreeMap::new();
    for (namespace, globs) in namespaces {
        let globs: Vec<_> = globs.iter().cloned().collect();
        for (index, globs) in globs.chunks(LIMITS.0).enumerate() {
            let name = if index == 0 { namespace.clone() } else { next(namespace, namespaces, &mut numbers) };
            let names = Some(vec![namespace.clone()]);
            let namespaces = NamespaceMatch { from: NamespacesFrom::Names, names, selector: None };
            rules.push(AccessRule { name, namespaces, parameters: globs.to_vec(), ..AccessRule::default() });
        }
    }
    if rules.is_empty() {
        notes.check(
            "spec",
            "no object that was translated reads from this store, so access is empty, and nobody may read",
        );
    } else {
        let text = "a store of ESO gives every namespace that it admits all that its identity can read; access grants only what \
                    the objects that were translated with it read";
        notes.check("spec", text);
    }
    if rules.len() > LIMITS.2 {
        let text = format!(
            "a store has at most {} rules, and these are {}; write rules for several namespaces, such as /{{namespace}}/**",
            LIMITS.2,
            rules.len()
        );
        notes.not_translated("spec", text);
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_the_names_that_they_come_from() {
        let long = format!("/a/{}", "b".repeat(300));
        for (name, expected) in [
            ("/shop/db", "/shop/db"),
            ("db", "/db"),
            ("/aws/reference/secretsmanager/a+b", "/aws/reference/secretsmanager/a?b"),
            (&long, "/a/**"),
        ] {
            assert_eq!(glob(name.to_owned()), expected);
        }
    }

    #[test]
    fn a_namespace_with_many_parameters_has_several_rules() {
        let globs = (0..70).map(|number| format!("/shop/{number}")).collect();
        let rules = rules(&[("shop".to_owned(), globs)].into(), &Notes::default());
        let names: Vec<_> = rules.iter().map(|rule| (rule.name.as_str(), rule.parameters.len())).collect();
        assert_eq!(names, [("shop", 32), ("shop-2", 32), ("shop-3", 6)]);
    }

    #[test]
    fn no_two_rules_have_one_name() {
        let globs: BTreeSet<_> = (0..70).map(|number| format!("/shop/{number}")).collect();
        let long = "a".repeat(62);
        let namespaces = ["shop".to_owned(), "shop-2".to_owned(), format!("{long}b"), format!("{long}c")];
        let granted = namespaces.map(|namespace| (namespace, globs.clone())).into();
        let rules = rules(&granted, &Notes::default());
        let names: BTreeSet<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!((rules.len(), names.len()), (12, 12), "{names:?}");
        assert!(names.iter().all(|name| name.len() <= 63), "{names:?}");
        let first = rules.iter().find(|rule| rule.name == "shop-2").and_then(|rule| rule.namespaces.names.clone());
        assert_eq!(first, Some(vec!["shop-2".to_owned()]));
    }
}
