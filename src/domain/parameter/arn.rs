//! ARNs of parameters.

/// The parts of a parameter's ARN.
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
    /// Returns the parts of `arn:<partition>:ssm:<region>:<account>:parameter/<name>`, or `None` if this is no such ARN.
    pub fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (prefix, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
        let name = resource.strip_prefix("parameter")?;
        let well_formed = prefix == "arn" && service == "ssm" && name.len() > 1 && name.starts_with('/');
        well_formed.then_some(Self { partition, region, account, name })
    }
}

impl ArnParts<'_> {
    /// Reports whether no part is missing. The ARNs of public parameters name no account, and cannot be read by ARN.
    pub(crate) fn is_complete(&self) -> bool {
        let is_account = !self.account.is_empty() && self.account.chars().all(|digit| digit.is_ascii_digit());
        is_account && self.partition.starts_with("aws") && !self.region.is_empty()
    }
}

/// Returns the account in any ARN.
pub fn account_of(arn: &str) -> Option<&str> {
    arn.split(':').nth(4).filter(|account| !account.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arns_of_parameters_have_parts() {
        let parts = ArnParts { partition: "aws", region: "eu-central-1", account: "111122223333", name: "/a/b" };
        assert_eq!(ArnParts::parse("arn:aws:ssm:eu-central-1:111122223333:parameter/a/b"), Some(parts));
        for other in ["/a/b", "arn:aws:s3:::bucket", "arn:aws:ssm:eu-central-1:111122223333:parameter/", "arn:aws:ssm"]
        {
            assert_eq!(ArnParts::parse(other), None, "{other}");
        }
    }
}
