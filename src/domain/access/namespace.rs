//! The namespaces that an access rule is for.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};

use crate::api::{NamespaceMatch, NamespacesFrom};

/// A namespace as access rules see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether the operator may not see its labels. No selector matches it then, whatever it excludes.
    pub is_hidden: bool,
}

/// Reports whether a rule is for a namespace. An empty selector selects everything elsewhere in Kubernetes; here it
/// selects nothing, so that a slip never grants everything.
pub(crate) fn selects(matcher: &NamespaceMatch, namespace: &Namespace) -> bool {
    match matcher.from {
        NamespacesFrom::All => true,
        NamespacesFrom::Names => matcher.names.iter().flatten().any(|name| *name == namespace.name),
        NamespacesFrom::Selector => {
            let selector = matcher.selector.clone().filter(is_well_formed);
            let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
            selector.is_some_and(|selector| {
                !namespace.is_hidden && !selector.selects_all() && selector.matches(&namespace.labels)
            })
        }
    }
}

/// Reports whether each requirement has values exactly if its operator takes them. `NotIn` nothing would select everything.
fn is_well_formed(selector: &LabelSelector) -> bool {
    selector.match_expressions.iter().flatten().all(|requirement| {
        let takes_values = matches!(requirement.operator.as_str(), "In" | "NotIn");
        takes_values == requirement.values.as_ref().is_some_and(|values| !values.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;

    use super::*;

    fn namespace(name: &str, labels: &[(&str, &str)]) -> Namespace {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Namespace { name: name.to_owned(), labels, is_hidden: false }
    }

    fn by_label(selector: LabelSelector) -> NamespaceMatch {
        NamespaceMatch { from: NamespacesFrom::Selector, selector: Some(selector), ..NamespaceMatch::default() }
    }

    fn by_expression(operator: &str, values: &[&str]) -> NamespaceMatch {
        let values = (!values.is_empty()).then(|| values.iter().map(ToString::to_string).collect());
        let requirement = LabelSelectorRequirement { key: "k".into(), operator: operator.into(), values };
        by_label(LabelSelector { match_expressions: Some(vec![requirement]), ..LabelSelector::default() })
    }

    #[test]
    fn namespaces_are_chosen_by_name() {
        let names = NamespaceMatch { names: Some(vec!["shop".into()]), ..NamespaceMatch::default() };
        assert!(selects(&names, &namespace("shop", &[])));
        assert!(!selects(&names, &namespace("shop2", &[])));
        let all = NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() };
        assert!(selects(&all, &namespace("shop", &[])));
    }

    #[test]
    fn namespaces_are_chosen_by_label() {
        let labels = Some([("team".to_owned(), "a".to_owned())].into());
        let team = by_label(LabelSelector { match_labels: labels, ..LabelSelector::default() });
        assert!(selects(&team, &namespace("x", &[("team", "a")])));
        assert!(!selects(&team, &namespace("x", &[("team", "b")])));
        for (operator, values, label, expected) in [
            ("In", &["a", "b"][..], Some("b"), true),
            ("In", &["a"], None, false),
            ("NotIn", &["a"], None, true),
            ("NotIn", &["a"], Some("a"), false),
            ("Exists", &[], Some(""), true),
            ("DoesNotExist", &[], None, true),
            ("Gt", &["a"], Some("a"), false),
        ] {
            let labels: Vec<_> = label.map(|value| ("k", value)).into_iter().collect();
            let selected = selects(&by_expression(operator, values), &namespace("x", &labels));
            assert_eq!(selected, expected, "{operator} {values:?} {label:?}");
        }
    }

    #[test]
    fn what_chooses_nothing_selects_nothing() {
        assert!(!selects(&by_label(LabelSelector::default()), &namespace("x", &[])), "an empty selector");
        assert!(!selects(&NamespaceMatch::default(), &namespace("x", &[])), "no names");
        let no_selector = NamespaceMatch { from: NamespacesFrom::Selector, ..NamespaceMatch::default() };
        assert!(!selects(&no_selector, &namespace("x", &[])), "no selector");
    }
}
