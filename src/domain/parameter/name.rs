//! References to parameters: what a spec names, what AWS is asked for, and the ARN that both stand for.

use std::{fmt, ops::Deref, sync::Arc};

use crate::domain::{
    parameter::{scope::Scope, selector::Selector},
    steps,
};

/// The start of names that are references to Secrets Manager.
const SECRETS_MANAGER: &str = "/aws/reference/secretsmanager/";
/// The start of names that AWS keeps for itself. A store's prefix is not put before them.
const RESERVED: &str = "/aws/";
/// Most levels of a name (Systems Manager User Guide, "Working with parameter hierarchies").
pub(crate) const MOST_LEVELS: usize = 15;
/// Most characters of a name (Systems Manager API reference, PutParameter).
const LONGEST: usize = 1_011;

/// Returns the full name for a name or path in a spec: with the prefix of a store before it, and with the leading slash
/// that AWS requires of names with several levels. ARNs stay as they are, and so do names that AWS keeps for itself.
pub(crate) fn full_name(prefix: &str, name: &str) -> String {
    if name.starts_with("arn:") {
        return name.to_owned();
    }
    let slash = if name.contains('/') && !name.starts_with('/') { "/" } else { "" };
    let name = format!("{slash}{name}");
    if prefix.is_empty() || name.starts_with(RESERVED) {
        return name;
    }
    format!("{prefix}/{}", name.strip_prefix('/').unwrap_or(&name))
}

/// Reports whether a name has more levels or characters than Parameter Store allows.
pub(crate) fn is_too_long(name: &str) -> bool {
    name.len() > LONGEST || name.split('/').filter(|level| !level.is_empty()).count() > MOST_LEVELS
}

/// Reports whether Parameter Store can have this name, which has no selector. What it cannot have, it might take for another
/// name: it trims blanks, and takes what follows a colon for a version or label (Systems Manager User Guide, "Working with
/// parameter hierarchies"). The schema refuses such names first, in more words.
pub(crate) fn is_possible(name: &str) -> bool {
    // A secret of Secrets Manager may be called by more (Secrets Manager API reference, CreateSecret).
    let others = if name.starts_with(SECRETS_MANAGER) { "_.-+=@" } else { "_.-" };
    let is_level = |level: &str| {
        !level.is_empty()
            && level.chars().all(|character| character.is_ascii_alphanumeric() || others.contains(character))
    };
    name.strip_prefix('/').unwrap_or(name).split('/').all(is_level)
}

/// One version of one parameter. Two are equal if AWS would give the same answer, however the spec spells them: `x`, `/x`
/// and the ARN in the store's own account are one parameter. Whoever asks first must not decide how AWS is asked, so equal
/// references have the same name.
///
/// One pointer, since a reference is kept in many places.
#[derive(Clone, Debug)]
pub struct ParameterRef(Arc<Parts>);

/// What makes up a reference.
#[derive(Clone, Debug)]
pub struct Parts {
    /// ARN, without a selector.
    pub arn: Arc<str>,
    /// Where the name begins in the ARN: its end is the full name.
    name_start: usize,
    /// The version or label asked for; the newest version if none.
    pub selector: Option<Selector>,
}

impl ParameterRef {
    /// Returns what `name`, a name or an ARN, refers to within `scope`.
    pub fn new(name: &str, selector: Option<Selector>, scope: &Scope) -> Self {
        let arn = if name.starts_with("arn:") { name.to_owned() } else { scope.parameter_arn(name) };
        // `X` and `/X` are one parameter (Systems Manager User Guide, "Working with parameter hierarchies").
        let name_start = scope.own_name(&arn).map_or(0, |name| arn.len() - name.len());
        Self(Arc::new(Parts { arn: arn.into(), name_start, selector }))
    }

    /// Returns what AWS is asked for, without a selector: the full name with its leading slash, or the ARN of a parameter of
    /// another account or region.
    pub fn name(&self) -> &str {
        &self.arn[self.name_start..]
    }

    /// Returns the same parameter in another version.
    #[must_use]
    pub fn with_selector(&self, selector: Option<Selector>) -> Self {
        Self(Arc::new(Parts { selector, ..Parts::clone(&self.0) }))
    }

    /// Reports whether both are one in memory.
    #[cfg(test)]
    pub(crate) fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Reports whether this is a secret of Secrets Manager that Parameter Store passes on. It has no versions of its own, and
    /// cannot be read without decryption (Systems Manager User Guide, "Referencing Secrets Manager secrets").
    pub fn is_reference(&self) -> bool {
        self.arn.split_once(":parameter").is_some_and(|(_, name)| name.starts_with(SECRETS_MANAGER))
    }

    /// Returns the name as `GetParameters` takes it: `name`, `name:3` or `name:label`.
    pub fn request_name(&self) -> String {
        self.selector.as_ref().map_or_else(|| self.name().to_owned(), |selector| format!("{}:{selector}", self.name()))
    }

    fn key(&self) -> (&str, Option<&Selector>) {
        steps::count(1);
        (&self.arn, self.selector.as_ref())
    }
}

impl Deref for ParameterRef {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl PartialEq for ParameterRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.key() == other.key()
    }
}

impl Eq for ParameterRef {}

impl PartialOrd for ParameterRef {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ParameterRef {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl std::hash::Hash for ParameterRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for ParameterRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.selector {
            None => f.write_str(self.name()),
            Some(selector) => write!(f, "{}:{selector}", self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
    }

    #[test]
    fn spellings_of_one_parameter_are_equal() {
        let arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/x";
        for name in ["x", "/x", arn] {
            assert_eq!(&*ParameterRef::new(name, None, &scope()).arn, arn);
        }
        assert_eq!(ParameterRef::new("x", None, &scope()), ParameterRef::new("/x", None, &scope()));
        assert_ne!(
            ParameterRef::new("x", None, &scope()),
            ParameterRef::new("x", Some(Selector::Version(1)), &scope())
        );
    }

    /// Otherwise the spelling of one object would reach the calls of another, which AWS may refuse.
    #[test]
    fn equal_references_ask_aws_in_the_same_words() {
        let own = "arn:aws:ssm:eu-central-1:111122223333:parameter";
        for (spellings, expected) in [
            (&["x".to_owned(), "/x".to_owned(), format!("{own}/x")][..], "/x"),
            (&["shop/db".to_owned(), "/shop/db".to_owned(), format!("{own}/shop/db")], "/shop/db"),
        ] {
            for spelling in spellings {
                assert_eq!(ParameterRef::new(spelling, None, &scope()).request_name(), expected, "{spelling}");
            }
        }
        let shared = "arn:aws:ssm:eu-central-1:999999999999:parameter/x";
        assert_eq!(ParameterRef::new(shared, None, &scope()).request_name(), shared);
    }

    #[test]
    fn request_names_carry_the_selector() {
        assert_eq!(ParameterRef::new("/a", Some(Selector::Version(3)), &scope()).request_name(), "/a:3");
        assert_eq!(ParameterRef::new("/a", Some(Selector::Label("prod".into())), &scope()).request_name(), "/a:prod");
    }

    #[test]
    fn a_prefix_comes_before_names_but_not_before_arns_and_names_of_aws() {
        let arn = "arn:aws:ssm:eu-central-1:111122223333:parameter/x";
        for (prefix, name, expected) in [
            ("", "/a", "/a"),
            ("", "a", "a"),
            ("", "a/b", "/a/b"),
            ("/prod", "/a/b", "/prod/a/b"),
            ("/prod", "a", "/prod/a"),
            ("/prod", arn, arn),
            ("/prod", "/aws/reference/secretsmanager/db", "/aws/reference/secretsmanager/db"),
            ("/prod", "aws/reference/secretsmanager/db", "/aws/reference/secretsmanager/db"),
        ] {
            assert_eq!(full_name(prefix, name), expected);
        }
    }

    #[test]
    fn a_name_that_could_be_taken_for_another_is_none() {
        for name in ["x", "/x", "/a/b_c.d-E9", "/a/../b", "/aws/reference/secretsmanager/a+b=c@d"] {
            assert!(is_possible(name), "{name}");
        }
        for name in
            ["", "/", "//a", "/a/", "/a//b", " /a", "/a ", "/a b", "/a:1", "/a:x", "/a%2Fb", "/é", "/a*", "/a+b"]
        {
            assert!(!is_possible(name), "{name}");
        }
    }

    #[test]
    fn names_have_a_longest() {
        assert!(!is_too_long(&"/x".repeat(15)) && is_too_long(&"/x".repeat(16)));
        assert!(!is_too_long(&"x".repeat(1_011)) && is_too_long(&"x".repeat(1_012)));
    }
}
