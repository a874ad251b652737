//! Who calls AWS.

/// The caller of AWS, as STS GetCallerIdentity returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// ARN of the principal.
    pub arn: String,
    /// Account of the principal.
    pub account: String,
    /// `UserId` of GetCallerIdentity: CloudTrail's `principalId`.
    pub user_id: String,
}
