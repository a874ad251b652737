//! Paths: what is asked of Parameter Store, and what is chosen of the answer.

use std::{collections::BTreeMap, fmt, sync::Arc};

use globset::GlobMatcher;

use crate::api::{KeyMapping, PathSource, Reason};
use crate::domain::{
    Fault,
    access::glob,
    parameter::{
        name::{ParameterRef, Scope, Selector},
        revision::Metadata,
    },
    plan::plan::Source,
    report::text::list,
    secret::key_name,
};

/// What is listed: all parameters below a path. Equal listings have the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PathQuery {
    /// The path, without a slash at its end.
    pub path: String,
    /// Whether also what is further down.
    pub recursive: bool,
    /// The label that versions must carry.
    pub label: Option<String>,
}

/// What a complete listing found.
pub type Children = Arc<BTreeMap<ParameterRef, Metadata>>;

impl PathQuery {
    /// What follows the path in the name of a parameter below it; `None` if it is not below.
    pub fn relative<'a>(&self, name: &'a str) -> Option<&'a str> {
        let relative = name.strip_prefix(&self.path)?.strip_prefix('/').filter(|relative| !relative.is_empty())?;
        (self.recursive || !relative.contains('/')).then_some(relative)
    }

    /// A parameter below the path, in the version that is meant.
    pub fn child(&self, name: &str, scope: &Scope) -> ParameterRef {
        ParameterRef::new(name, self.label.clone().map(Selector::Label), scope)
    }

    /// The path itself, for messages and records: access to it is what IAM grants or denies.
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

/// One `spec.dataFrom[].path`: a listing and what becomes of it.
#[derive(Clone, Debug)]
pub struct Path {
    /// What is listed.
    pub listing: PathQuery,
    /// Its place in `spec.dataFrom`.
    index: usize,
    include: Vec<GlobMatcher>,
    exclude: Vec<GlobMatcher>,
    mapping: Option<KeyMapping>,
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        let globs = |path: &Self| -> Vec<_> {
            path.include.iter().chain(&path.exclude).map(|glob| glob.glob().glob().to_owned()).collect()
        };
        (&self.listing, self.index, &self.mapping) == (&other.listing, other.index, &other.mapping)
            && globs(self) == globs(other)
    }
}

impl Path {
    /// Takes a path from the spec.
    ///
    /// # Errors
    /// `InvalidSpec` for a glob that is none.
    pub fn new(index: usize, source: &PathSource, mapping: Option<&KeyMapping>) -> Result<Self, Fault> {
        let wrong = |problem| Fault::new(Reason::InvalidSpec, format!("spec.dataFrom[{index}].path: {problem}."));
        let compile = |globs: &[String]| -> Result<Vec<_>, _> {
            globs.iter().map(|glob| glob::compile(glob).map_err(wrong)).collect()
        };
        Ok(Self {
            listing: PathQuery {
                path: source.prefix.trim_end_matches('/').to_owned(),
                recursive: source.recursive.unwrap_or_default(),
                label: source.label.clone(),
            },
            index,
            include: compile(&source.include)?,
            exclude: compile(&source.exclude)?,
            mapping: mapping.cloned(),
        })
    }

    /// Adds a key for each parameter that is chosen of what the listing found.
    ///
    /// # Errors
    /// `PathEmpty` if none is; `InvalidSpec` for a name that becomes no key; `KeyCollision` with both parameters.
    pub fn expand(&self, children: &Children, keys: &mut BTreeMap<String, Source>) -> Result<(), Fault> {
        let mut chosen = 0;
        for parameter_ref in children.keys() {
            // Nothing but what was asked for counts, whatever the answer holds: IAM grants the path as a whole.
            let Some(relative) = self.listing.relative(&parameter_ref.name).filter(|name| self.is_chosen(name)) else {
                continue;
            };
            chosen += 1;
            let key = key_name::key(relative, self.mapping.as_ref()).ok_or_else(|| self.no_key(parameter_ref))?;
            if let Some(other) = keys.get(&key) {
                return Err(self.collision(&key, &other.parameter_ref, parameter_ref));
            }
            keys.insert(key, Source { optional: true, listed: true, ..Source::of(parameter_ref.clone()) });
        }
        if chosen > 0 { Ok(()) } else { Err(self.empty(children.len())) }
    }

    fn is_chosen(&self, relative: &str) -> bool {
        let included = self.include.is_empty() || self.include.iter().any(|glob| glob.is_match(relative));
        included && !self.exclude.iter().any(|glob| glob.is_match(relative))
    }

    fn no_key(&self, parameter_ref: &ParameterRef) -> Fault {
        let message = format!(
            "Parameter {parameter_ref} becomes no key of a Secret (1 to 253 letters, digits, -, _ and ., not beginning with ..); \
             exclude it in spec.dataFrom[{0}].path, or set spec.dataFrom[{0}].keys.",
            self.index
        );
        Fault::new(Reason::InvalidSpec, message)
    }

    fn collision(&self, key: &str, one: &ParameterRef, other: &ParameterRef) -> Fault {
        let whence = if one == other {
            format!("twice from {one}, by two entries")
        } else {
            format!("from {}", list(&[one.to_string(), other.to_string()]))
        };
        let message = format!(
            "Key {key} comes {whence}; exclude one of them in spec.dataFrom[{0}].path, or set spec.dataFrom[{0}].keys.",
            self.index
        );
        Fault::new(Reason::KeyCollision, message)
    }

    fn empty(&self, found: usize) -> Fault {
        let (listing, index) = (&self.listing, self.index);
        let message = match found {
            0 if listing.recursive => {
                format!("There is no parameter below {listing}; create one, or correct spec.dataFrom[{index}].path.")
            }
            0 => format!(
                "There is no parameter directly below {listing}; create one, or set spec.dataFrom[{index}].path.recursive."
            ),
            found => format!(
                "Of {found} parameters below {listing} include and exclude leave none; correct spec.dataFrom[{index}].path."
            ),
        };
        Fault::new(Reason::PathEmpty, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::KeyFormat;

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "r".into(), account: "1".into() }
    }

    fn source(prefix: &str, include: &[&str], exclude: &[&str]) -> PathSource {
        let globs = |globs: &[&str]| globs.iter().map(ToString::to_string).collect();
        PathSource {
            prefix: prefix.into(),
            recursive: Some(true),
            include: globs(include),
            exclude: globs(exclude),
            label: None,
        }
    }

    fn children(names: &[&str]) -> Children {
        let child = |name: &&str| {
            let parameter_ref = ParameterRef::new(name, None, &scope());
            let metadata = Metadata {
                arn: parameter_ref.arn.clone(),
                version: 1,
                type_: "SecureString".into(),
                ..Metadata::default()
            };
            (parameter_ref, metadata)
        };
        Arc::new(names.iter().map(child).collect())
    }

    fn expand(path: &PathSource, mapping: Option<&KeyMapping>, names: &[&str]) -> Result<Vec<String>, Fault> {
        let mut keys = BTreeMap::new();
        Path::new(0, path, mapping)?.expand(&children(names), &mut keys)?;
        Ok(keys.into_keys().collect())
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
            for prefix in ["/shop", "/shop/"] {
                let keys = expand(&source(prefix, include, exclude), None, &names);
                assert_eq!(keys.as_deref(), Ok(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]));
            }
        }
    }

    #[test]
    fn only_what_lies_below_the_path_counts() {
        let listing = |recursive| PathQuery { path: "/shop".into(), recursive, label: None };
        for (name, flat, deep) in [
            ("/shop/a", Some("a"), Some("a")),
            ("/shop/a/b", None, Some("a/b")),
            ("/shop", None, None),
            ("/shop/", None, None),
            ("/shopping/a", None, None),
            ("/other/shop/a", None, None),
        ] {
            assert_eq!((listing(false).relative(name), listing(true).relative(name)), (flat, deep), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_told() {
        let env = KeyMapping { format: Some(KeyFormat::EnvVar), prefix: None };
        for (path, mapping, names, reason, parts) in [
            (source("/shop", &[], &[]), None, &[][..], Reason::PathEmpty, &["below /shop", "dataFrom[0].path"][..]),
            (source("/shop", &["x"], &[]), None, &["/shop/a"], Reason::PathEmpty, &["Of 1 parameters", "include"]),
            (source("/shop", &["[x"], &[]), None, &["/shop/a"], Reason::InvalidSpec, &["[x", "not valid"]),
            (source("/shop", &[], &[]), None, &["/shop/..a"], Reason::InvalidSpec, &["/shop/..a", "no key"]),
            (
                source("/shop", &[], &[]),
                Some(&env),
                &["/shop/a-b", "/shop/a.b"],
                Reason::KeyCollision,
                &["Key A_B", "/shop/a-b, /shop/a.b"],
            ),
        ] {
            let fault = expand(&path, mapping, names).expect_err("a refusal");
            assert_eq!(fault.reason, reason, "{}", fault.message);
            for part in parts {
                assert!(fault.message.contains(part), "{} lacks {part}", fault.message);
            }
        }
    }
}
