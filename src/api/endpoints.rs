//! The endpoints of AWS that a cluster store names itself.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::rules;

/// Endpoints to use instead of those that AWS has for the region.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.ssm) || has(self.kms) || has(self.sts)").message("endpoints names at least one of ssm, kms and sts"),
)]
pub struct Endpoints {
    /// The URL of Parameter Store, for example that of a VPC endpoint. Default: the one that AWS has for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::endpoint())]
    pub ssm: Option<String>,

    /// The URL of KMS. Default: the one that AWS has for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::endpoint())]
    pub kms: Option<String>,

    /// The URL of STS. Default: the one that AWS has for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(validation = rules::endpoint())]
    pub sts: Option<String>,
}
