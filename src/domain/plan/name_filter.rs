//! The choice of names by `include` and `exclude`.

use std::sync::Arc;

use crate::domain::access::glob::{self, Glob};

/// Globs that choose among names of fields, or names relative to a path. Copies share the compiled globs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NameFilter {
    include: Arc<[Glob]>,
    exclude: Arc<[Glob]>,
}

impl NameFilter {
    /// Compiles the globs.
    ///
    /// # Errors
    /// Says which glob is not valid and why, without a full stop.
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, String> {
        let compile = |globs: &[String]| globs.iter().map(|glob| glob::compile(glob)).collect::<Result<_, _>>();
        Ok(Self { include: compile(include)?, exclude: compile(exclude)? })
    }

    /// Reports whether a name is chosen: some glob of `include` matches it, if there are any, and none of `exclude`.
    pub(crate) fn admits(&self, name: &str) -> bool {
        let is_included = self.include.is_empty() || self.include.iter().any(|glob| glob.is_match(name));
        is_included && !self.exclude.iter().any(|glob| glob.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclude_has_precedence_over_include() {
        for (include, exclude, name, expected) in [
            (&[][..], &[][..], "db/user", true),
            (&["db/*"], &[], "db/user", true),
            (&["db/*"], &[], "db/old/user", false),
            (&["db/**"], &[], "db/old/user", true),
            (&["DB_*", "PORT"], &[], "PORT", true),
            (&["DB_*"], &["*_OLD"], "DB_USER_OLD", false),
            (&[], &["*-old"], "token", true),
            (&["stra?e"], &[], "straße", true),
        ] {
            let globs = |globs: &[&str]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
            let filter = NameFilter::new(&globs(include), &globs(exclude)).expect("valid globs");
            assert_eq!(filter.admits(name), expected, "{include:?} {exclude:?} {name}");
        }
        assert!(NameFilter::new(&["[x".into()], &[]).expect_err("an invalid glob").contains("[x has brackets"));
    }
}
