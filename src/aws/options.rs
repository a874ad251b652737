//! What of the use of AWS is configured by arguments and environment of the operator rather than by its stores.

use crate::domain::quota_share::QuotaShare;

/// How the operator finds its own credentials, what stores may ask for, and how much of each quota it uses.
#[derive(Clone, Debug, Default)]
pub struct AwsOptions {
    /// Name of the cluster, which becomes part of the names of role sessions.
    pub cluster_name: Option<String>,
    /// Whether the operator may use the role of the node that it runs on.
    pub allow_node_role: bool,
    /// Whether stores may name endpoints.
    pub allow_custom_endpoints: bool,
    /// The role that the operator assumes with a token in a file.
    pub web_identity: Option<WebIdentityFile>,
    /// The share of each quota of AWS that this process uses.
    pub quota_share: QuotaShare,
}

/// The variables that IAM roles for service accounts (IRSA) set in a pod (AWS SDKs and Tools Reference Guide, "Assume role
/// with web identity").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentityFile {
    /// `AWS_ROLE_ARN`.
    pub role_arn: String,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub token_file: String,
    /// `AWS_ROLE_SESSION_NAME`.
    pub session_name: Option<String>,
}
