//! Which part of the cluster an operator watches. Its Lease says it in annotations.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::names::{WATCH_NAMESPACES_ANNOTATION, WATCH_SELECTOR_ANNOTATION};
use crate::domain::shard::selector::WatchSelector;

/// Labels of an object.
pub(crate) type Labels = BTreeMap<String, String>;

/// Which `SecureParameter`s an operator watches. The default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// What selects them by their labels; `None` for all.
    pub selector: Option<WatchSelector>,
    /// The namespaces that the operator works in; `None` for all.
    pub namespaces: Option<BTreeSet<String>>,
}

impl Part {
    /// Reads what a Lease says.
    ///
    /// # Errors
    /// What is wrong with the selector.
    pub(crate) fn of(annotations: &BTreeMap<String, String>) -> Result<Self, String> {
        let selector = annotations.get(WATCH_SELECTOR_ANNOTATION).map(|text| WatchSelector::parse(text)).transpose()?;
        let namespaces = annotations.get(WATCH_NAMESPACES_ANNOTATION);
        Ok(Self { selector, namespaces: namespaces.map(|text| text.split(',').map(str::to_owned).collect()) })
    }

    /// Returns what the Lease has to say.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        let selector = self.selector.as_ref().map(|selector| (WATCH_SELECTOR_ANNOTATION, selector.to_string()));
        let joined = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let namespaces = self.namespaces.as_ref().map(|names| (WATCH_NAMESPACES_ANNOTATION, joined(names)));
        selector.into_iter().chain(namespaces).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// Reports whether the operator works in a namespace, or in the whole cluster if that is asked.
    pub(crate) fn covers(&self, namespace: Option<&str>) -> bool {
        self.namespaces.as_ref().is_none_or(|names| namespace.is_some_and(|namespace| names.contains(namespace)))
    }

    /// Reports whether an object is in this part.
    pub(crate) fn contains(&self, namespace: &str, labels: &Labels) -> bool {
        self.covers(Some(namespace)) && self.selector.as_ref().is_none_or(|selector| selector.matches(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_lease_says_others_read() {
        for (selector, namespaces) in [(None, None), (Some("team in (a,b)"), None), (None, Some(["b", "a"]))] {
            let part = Part {
                selector: selector.map(|text| WatchSelector::parse(text).expect("a selector")),
                namespaces: namespaces.map(|names| names.map(str::to_owned).into()),
            };
            assert_eq!(Part::of(&part.annotations()), Ok(part));
        }
        assert!(Part::default().annotations().is_empty());
        assert!(Part::of(&[(WATCH_SELECTOR_ANNOTATION.to_owned(), "a b".to_owned())].into()).is_err());
    }

    #[test]
    fn a_part_has_namespaces_and_a_selector() {
        let labels = [("team".to_owned(), "a".to_owned())].into();
        let selector = WatchSelector::parse("team=a").ok();
        let part = Part { selector, namespaces: Some(["shop".to_owned()].into()) };
        assert!(part.contains("shop", &labels) && part.covers(Some("shop")));
        assert!(!part.contains("billing", &labels) && !part.contains("shop", &Labels::new()));
        assert!(!part.covers(None) && Part::default().covers(None) && Part::default().contains("x", &labels));
    }
}
