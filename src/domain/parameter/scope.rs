//! The place that a store reads from.

use crate::domain::{audit::principal::Principal, parameter::arn::ArnParts};

/// The place that a store reads from, and that plain names belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// Partition of the reader's ARN, for example `aws` or `aws-cn`.
    pub partition: String,
    /// Region of the store.
    pub region: String,
    /// Account of the reader.
    pub account: String,
}

impl Scope {
    /// Returns the place that a principal reads from in a region.
    pub fn of(principal: &Principal, region: &str) -> Self {
        Self {
            partition: principal.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            region: region.to_owned(),
            account: principal.account.clone(),
        }
    }

    /// Returns the ARN of a parameter name in this scope: `arn:<partition>:ssm:<region>:<account>:parameter/<name>`, the name
    /// without its leading slash (AWS Service Authorization Reference, Systems Manager).
    pub fn parameter_arn(&self, name: &str) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:ssm:{region}:{account}:parameter/{}", name.trim_start_matches('/'))
    }

    /// Returns the full name, with its leading slash, of a parameter ARN of this scope; `None` for other accounts and
    /// regions.
    pub fn own_name<'a>(&self, arn: &'a str) -> Option<&'a str> {
        let name = ArnParts::parse(arn)?;
        (name.region == self.region && name.account == self.account && name.partition == self.partition)
            .then_some(name.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_built_in_the_partition_of_the_caller() {
        for (caller, region, expected) in [
            ("arn:aws:iam::111122223333:user/a", "eu-central-1", "arn:aws:ssm:eu-central-1:111122223333:parameter/a/b"),
            (
                "arn:aws-cn:sts::111122223333:assumed-role/a/b",
                "cn-north-1",
                "arn:aws-cn:ssm:cn-north-1:111122223333:parameter/a/b",
            ),
            (
                "arn:aws-us-gov:iam::111122223333:user/a",
                "us-gov-west-1",
                "arn:aws-us-gov:ssm:us-gov-west-1:111122223333:parameter/a/b",
            ),
            (
                "arn:aws-eusc:iam::111122223333:user/a",
                "eusc-de-east-1",
                "arn:aws-eusc:ssm:eusc-de-east-1:111122223333:parameter/a/b",
            ),
        ] {
            let principal = Principal { arn: caller.into(), account: "111122223333".into(), user_id: "A".into() };
            let scope = Scope::of(&principal, region);
            assert_eq!(scope.parameter_arn("/a/b"), expected);
            assert_eq!(scope.own_name(expected), Some("/a/b"));
        }
    }

    #[test]
    fn only_arns_of_this_scope_have_a_name_in_it() {
        let scope = Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() };
        assert_eq!(scope.own_name("arn:aws:ssm:eu-central-1:111122223333:parameter/a/b"), Some("/a/b"));
        for foreign in [
            "arn:aws:ssm:eu-central-1:999999999999:parameter/a/b",
            "arn:aws:ssm:us-east-1:111122223333:parameter/a/b",
            "arn:aws-cn:ssm:eu-central-1:111122223333:parameter/a/b",
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a",
            "/a/b",
        ] {
            assert_eq!(scope.own_name(foreign), None, "{foreign}");
        }
    }
}
