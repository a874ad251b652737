//! Queries for everything below a path.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::domain::parameter::{name::ParameterRef, revision::Metadata, scope::Scope, selector::Selector};

/// A query for all parameters below a path. Equal queries have the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathQuery {
    /// The path, without a slash at its end.
    pub path: String,
    /// Whether parameters further down are meant too.
    pub recursive: bool,
    /// The label of the versions that are meant; the newest versions if none.
    pub label: Option<String>,
}

/// What a complete answer to a query holds.
pub type Children = Arc<BTreeMap<ParameterRef, Metadata>>;

impl PathQuery {
    /// Returns what follows the path in the name of a parameter below it; `None` if the parameter is not below it.
    pub fn relative<'a>(&self, name: &'a str) -> Option<&'a str> {
        let relative = name.strip_prefix(&self.path)?.strip_prefix('/').filter(|relative| !relative.is_empty())?;
        (self.recursive || !relative.contains('/')).then_some(relative)
    }

    /// Returns a parameter below the path, in the version that is meant.
    pub fn child(&self, name: &str, scope: &Scope) -> ParameterRef {
        ParameterRef::new(name, self.label.clone().map(Selector::Label), scope)
    }

    /// Returns the path itself, for messages and records: access to it is what IAM grants or denies.
    pub fn parameter_ref(&self, scope: &Scope) -> ParameterRef {
        ParameterRef::new(&self.path, None, scope)
    }
}

impl fmt::Display for PathQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.label.iter().try_for_each(|label| write!(f, " (label {label})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_below_the_path_are_relative_to_it() {
        let query = |recursive| PathQuery { path: "/shop".into(), recursive, label: None };
        for (name, flat, deep) in [
            ("/shop/a", Some("a"), Some("a")),
            ("/shop/a/b", None, Some("a/b")),
            ("/shop", None, None),
            ("/shop/", None, None),
            ("/shopping/a", None, None),
            ("/other/shop/a", None, None),
        ] {
            assert_eq!((query(false).relative(name), query(true).relative(name)), (flat, deep), "{name}");
        }
    }
}
