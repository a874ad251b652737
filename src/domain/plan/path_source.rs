//! From the parameters below a path to keys of the Secret.

use std::collections::BTreeMap;

use crate::api::Reason;
use crate::domain::{
    parameter::{name::ParameterRef, path_query::Children},
    plan::{
        conflict::collision,
        types::{KeySource, PathSource, Source},
    },
    report::fault::Fault,
    secret::key_name,
};

impl PathSource {
    /// Returns a key for each chosen parameter of those that a listing found.
    ///
    /// # Errors
    /// `PathEmpty` if no parameter is chosen, unless the path is optional; `InvalidSpec` for a name that cannot become a
    /// key; `KeyCollision` if two parameters become the same key.
    pub(crate) fn expand(&self, children: &Children) -> Result<Vec<KeySource>, Fault> {
        let mut keys: BTreeMap<String, Source> = BTreeMap::new();
        for parameter_ref in children.keys() {
            // IAM grants a path as a whole, so nothing counts but what was asked for, whatever the answer holds.
            let Some(relative) = self.query.relative(parameter_ref.name()).filter(|name| self.filter.admits(name))
            else {
                continue;
            };
            let key = key_name::key(relative, self.mapping.as_ref()).ok_or_else(|| self.invalid_key(parameter_ref))?;
            let source = Source::of(self.place.clone(), parameter_ref.clone());
            let source = Source { optional: true, listed: true, ..source };
            if let Some(other) = keys.get(&key) {
                return Err(collision(&key, other, &source));
            }
            keys.insert(key, source);
        }
        if keys.is_empty() && !self.optional {
            return Err(self.empty(children.len()));
        }
        Ok(keys.into_iter().map(|(key, source)| KeySource { key, source }).collect())
    }

    fn invalid_key(&self, parameter_ref: &ParameterRef) -> Fault {
        let place = &self.place;
        let message = format!(
            "The name of parameter {parameter_ref} cannot become a key of a Secret, which has 1 to 253 letters, digits, -, _ \
             and . and does not begin with ..; exclude it in {place}, or set {place}.keys."
        );
        Fault::new(Reason::InvalidSpec, message)
    }

    fn empty(&self, found: usize) -> Fault {
        let (query, place) = (&self.query, &self.place);
        let message = match found {
            0 if query.recursive => {
                format!(
                    "There is no parameter below {query}; create one, correct {place}.path, or set {place}.optional."
                )
            }
            0 => format!(
                "There is no parameter directly below {query}; create one, set {place}.recursive, or set {place}.optional."
            ),
            found => format!(
                "Of {found} parameters below {query}, include and exclude leave none; correct them in {place}, or set \
                 {place}.optional."
            ),
        };
        Fault::new(Reason::PathEmpty, message)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        api::{KeyMapping, KeyStyle},
        domain::{
            parameter::{path_query::PathQuery, revision::Metadata, scope::Scope},
            plan::{name_filter::NameFilter, types::Place},
        },
    };

    fn children(names: &[&str]) -> Children {
        let scope = Scope { partition: "aws".into(), region: "r".into(), account: "1".into() };
        let child = |name: &&str| (ParameterRef::new(name, None, &scope), Metadata::default());
        Arc::new(names.iter().map(child).collect())
    }

    fn path(include: &[&str], exclude: &[&str], mapping: Option<KeyMapping>) -> PathSource {
        let globs = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
        PathSource {
            place: Place::DataFrom(0),
            query: PathQuery { path: "/shop".into(), recursive: true, label: None },
            filter: NameFilter::new(&globs(include), &globs(exclude)).expect("valid globs"),
            mapping,
            optional: false,
        }
    }

    fn keys(path: &PathSource, names: &[&str]) -> Result<Vec<String>, Fault> {
        Ok(path.expand(&children(names))?.into_iter().map(|key| key.key).collect())
    }

    #[test]
    fn globs_choose_by_the_name_below_the_path() {
        let names = ["/shop/db/user", "/shop/db/old/user", "/shop/token", "/shop/token-old", "/shopping/x"];
        for (include, exclude, expected) in [
            (&[][..], &[][..], &["db.old.user", "db.user", "token", "token-old"][..]),
            (&["db/*"], &[], &["db.user"]),
            (&["db/**"], &[], &["db.old.user", "db.user"]),
            (&[], &["*-old", "db/**"], &["token"]),
            (&["token?old", "token"], &["token"], &["token-old"]),
        ] {
            let keys = keys(&path(include, exclude, None), &names);
            assert_eq!(keys.as_deref(), Ok(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]));
        }
    }

    #[test]
    fn an_optional_path_may_give_no_keys() {
        for (include, names) in [(&[][..], &[][..]), (&["x"], &["/shop/a"])] {
            let optional = PathSource { optional: true, ..path(include, &[], None) };
            assert_eq!(keys(&optional, names), Ok(Vec::new()));
        }
    }

    #[test]
    fn faults_name_the_parameters_and_the_place() {
        let env = || Some(KeyMapping { style: Some(KeyStyle::EnvVar), prefix: None });
        for (path, names, reason, parts) in [
            (path(&[], &[], None), &[][..], Reason::PathEmpty, &["below /shop", "dataFrom[0].path"][..]),
            (path(&["x"], &[], None), &["/shop/a"], Reason::PathEmpty, &["Of 1 parameters", "include"]),
            (path(&[], &[], None), &["/shop/..a"], Reason::InvalidSpec, &["/shop/..a", "cannot become a key"]),
            (
                path(&[], &[], env()),
                &["/shop/a-b", "/shop/a.b"],
                Reason::KeyCollision,
                &["Key A_B", "/shop/a-b, /shop/a.b", "spec.dataFrom[0].keys"],
            ),
            (
                path(&[], &[], env()),
                &["/shop/1a", "/shop/_1a"],
                Reason::KeyCollision,
                &["Key _1A", "/shop/1a, /shop/_1a"],
            ),
        ] {
            let fault = keys(&path, names).expect_err("a refusal");
            assert_eq!(fault.reason, reason, "{}", fault.message);
            for part in parts {
                assert!(fault.message.contains(part), "{} lacks {part}", fault.message);
            }
        }
    }
}
