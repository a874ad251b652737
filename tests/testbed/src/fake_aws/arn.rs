//! ARNs.

/// Partition of a region.
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        r if r.starts_with("eusc-") => "aws-eusc",
        _ => "aws",
    }
}

/// ARN of a parameter. `X` and `/X` share one: the leading slash is not part of it.
pub(super) fn parameter(region: &str, account: &str, name: &str) -> String {
    let path = name.strip_prefix('/').unwrap_or(name);
    format!("arn:{}:ssm:{region}:{account}:parameter/{path}", partition(region))
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
            ["arn", _, service, region, account, resource] => Some(Self { service, region, account, resource }),
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
    fn colons_after_the_fifth_belong_to_the_resource() {
        let arn = Arn::parse("arn:aws:ssm:r:1:parameter/x:3").expect("six parts");
        assert_eq!((arn.service, arn.resource), ("ssm", "parameter/x:3"));
        assert_eq!(Arn::parse("/a:3"), None);
    }
}
