//! Names of parameters: what a spec writes, what AWS is asked, and the ARN that both mean.

use std::fmt;

use crate::domain::audit::Principal;

/// Where a store reads: the scope that plain names belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// Partition of the caller's ARN, for example `aws` or `aws-cn`.
    pub partition: String,
    /// Region of the store.
    pub region: String,
    /// Account of the caller.
    pub account: String,
}

/// Where the names of references to Secrets Manager begin.
const SECRETS_MANAGER: &str = "/aws/reference/secretsmanager/";

/// Which version of a parameter is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Selector {
    /// A fixed version. It never changes.
    Version(i64),
    /// The version that carries the label.
    Label(String),
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "{version}"),
            Self::Label(label) => f.write_str(label),
        }
    }
}

/// One parameter in one selection. Equal if AWS would answer the same, however the spec spells it: `x`, `/x` and the
/// ARN of the store's own account are one parameter.
#[derive(Clone, Debug)]
pub struct ParameterRef {
    /// ARN, without a selector.
    pub arn: String,
    /// Name or ARN as the spec spells it: what AWS is asked for, without a selector.
    pub name: String,
    /// The version or label asked for; the newest version if none.
    pub selector: Option<Selector>,
}

impl ParameterRef {
    /// What `name`, a parameter's name or ARN, means within `scope`.
    pub fn new(name: &str, selector: Option<Selector>, scope: &Scope) -> Self {
        let arn = if name.starts_with("arn:") { name.to_owned() } else { scope.parameter_arn(name) };
        Self { arn, name: name.to_owned(), selector }
    }

    /// Whether this is a secret of Secrets Manager that Parameter Store hands through. It has no versions of its own, and
    /// cannot be asked for without being decrypted (Systems Manager User Guide, "Referencing Secrets Manager secrets").
    pub fn is_reference(&self) -> bool {
        self.arn.split_once(":parameter").is_some_and(|(_, name)| name.starts_with(SECRETS_MANAGER))
    }

    /// The name as `GetParameters` takes it: `name`, `name:3` or `name:label`.
    pub fn request_name(&self) -> String {
        self.selector.as_ref().map_or_else(|| self.name.clone(), |selector| format!("{}:{selector}", self.name))
    }

    fn key(&self) -> (&str, Option<&Selector>) {
        (&self.arn, self.selector.as_ref())
    }
}

impl PartialEq for ParameterRef {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
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
            None => f.write_str(&self.name),
            Some(selector) => write!(f, "{}:{selector}", self.name),
        }
    }
}

impl Scope {
    /// Where a principal reads.
    pub fn of(principal: &Principal, region: &str) -> Self {
        Self {
            partition: principal.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            region: region.to_owned(),
            account: principal.account.clone(),
        }
    }

    /// The ARN of a parameter name in this scope: `arn:<partition>:ssm:<region>:<account>:parameter/<name>`, the name
    /// without its leading slash (AWS Service Authorization Reference, Systems Manager).
    pub fn parameter_arn(&self, name: &str) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:ssm:{region}:{account}:parameter/{}", name.trim_start_matches('/'))
    }

    /// The full name, with its leading slash, of a parameter ARN of this scope; `None` for other accounts and regions.
    pub fn own_name<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let name = ArnParts::parse(arn)?;
        (name.region == self.region && name.account == self.account && name.partition == self.partition)
            .then_some(name.name)
    }
}

/// A parameter ARN taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArnParts<'a> {
    /// For example `aws`.
    pub partition: &'a str,
    /// For example `eu-central-1`.
    pub region: &'a str,
    /// Twelve digits.
    pub account: &'a str,
    /// The name with its leading slash.
    pub name: &'a str,
}

impl<'a> ArnParts<'a> {
    /// The parts of `arn:<partition>:ssm:<region>:<account>:parameter/<name>`, or `None` if it is none.
    pub fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (prefix, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let name = resource.strip_prefix("parameter")?;
        let well_formed = prefix == "arn" && service == "ssm" && name.len() > 1 && name.starts_with('/');
        well_formed.then_some(Self { partition, region, account, name })
    }
}

/// The account of any ARN.
pub fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
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
            assert_eq!(ParameterRef::new(name, None, &scope()).arn, arn);
        }
        assert_eq!(ParameterRef::new("x", None, &scope()), ParameterRef::new("/x", None, &scope()));
        assert_ne!(
            ParameterRef::new("x", None, &scope()),
            ParameterRef::new("x", Some(Selector::Version(1)), &scope())
        );
    }

    #[test]
    fn only_own_arns_have_an_own_name() {
        assert_eq!(scope().own_name("arn:aws:ssm:eu-central-1:111122223333:parameter/a/b"), Some("/a/b"));
        for foreign in [
            "arn:aws:ssm:eu-central-1:999999999999:parameter/a/b",
            "arn:aws:ssm:us-east-1:111122223333:parameter/a/b",
            "arn:aws-cn:ssm:eu-central-1:111122223333:parameter/a/b",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a",
            "/a/b",
        ] {
            assert_eq!(scope().own_name(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn request_names_carry_the_selector() {
        assert_eq!(ParameterRef::new("/a", Some(Selector::Version(3)), &scope()).request_name(), "/a:3");
        assert_eq!(ParameterRef::new("/a", Some(Selector::Label("prod".into())), &scope()).request_name(), "/a:prod");
    }
}
