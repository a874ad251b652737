//! ARNs.

/// Partition of a region.
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        r if r.starts_with("eusc-") => "aws-eusc",
        r if r.starts_with("us-isof-") => "aws-iso-f",
        r if r.starts_with("us-isob-") => "aws-iso-b",
        r if r.starts_with("eu-isoe-") => "aws-iso-e",
        r if r.starts_with("us-iso-") => "aws-iso",
        _ => "aws",
    }
}

/// The same ARN in another partition.
pub(super) fn in_partition(arn: &str, partition: &str) -> String {
    match Arn::parse(arn) {
        Some(Arn { service, region, account, resource, .. }) => {
            format!("arn:{partition}:{service}:{region}:{account}:{resource}")
        }
        None => arn.to_owned(),
    }
}

/// ARN of a parameter. `X` and `/X` share one: the leading slash is not part of it.
pub(super) fn parameter(region: &str, account: &str, name: &str) -> String {
    let path = name.strip_prefix('/').unwrap_or(name);
    format!("arn:{}:ssm:{region}:{account}:parameter/{path}", partition(region))
}

/// The resource of calls to Parameter Store that concern no single parameter.
pub(super) fn all_of_ssm(region: &str, account: &str) -> String {
    format!("arn:{}:ssm:{region}:{account}:*", partition(region))
}

/// ARN of a KMS resource: `key/<id>` or `alias/<name>`.
pub(super) fn kms(region: &str, account: &str, resource: &str) -> String {
    format!("arn:{}:kms:{region}:{account}:{resource}", partition(region))
}

/// ARN of a secret, without the hyphen and six characters that Secrets Manager adds.
pub(super) fn secret(region: &str, account: &str, id: &str) -> String {
    format!("arn:{}:secretsmanager:{region}:{account}:secret:{id}", partition(region))
}

/// The parts of an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arn<'a> {
    /// `aws`, `aws-cn`
    pub partition: &'a str,
    /// `ssm`, `kms`, `iam`
    pub service: &'a str,
    /// Empty for global services.
    pub region: &'a str,
    /// Twelve digits.
    pub account: &'a str,
    /// Everything after the fifth colon.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Splits at the first five colons; the resource may contain more.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, service, region, account, resource] => {
                Some(Self { partition, service, region, account, resource })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_level_names_share_an_arn() {
        assert_eq!(parameter("eu-central-1", "1", "/x"), parameter("eu-central-1", "1", "x"));
        assert_eq!(parameter("cn-north-1", "1", "/a/b"), "arn:aws-cn:ssm:cn-north-1:1:parameter/a/b");
    }

    #[test]
    fn partitions_follow_from_regions() {
        for (region, expected) in [
            ("eu-central-1", "aws"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
        ] {
            assert_eq!(partition(region), expected);
        }
        assert_eq!(in_partition("arn:aws:iam::1:role/x:y", "aws-cn"), "arn:aws-cn:iam::1:role/x:y");
    }

    #[test]
    fn colons_after_the_fifth_belong_to_the_resource() {
        let arn = Arn::parse("arn:aws:ssm:r:1:parameter/x:3").expect("six parts");
        assert_eq!((arn.service, arn.resource), ("ssm", "parameter/x:3"));
        assert_eq!(Arn::parse("/a:3"), None);
    }
}
