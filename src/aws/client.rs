//! Clients: one set per identity and region, all on one HTTP connector.

use std::{sync::Arc, time::Duration};

use aws_config::{BehaviorVersion, SdkConfig, default_provider::region::DefaultRegionChain};
use aws_sdk_ssm::config::{
    AppName, ProvideCredentials, Region, SharedCredentialsProvider, retry::RetryConfig, timeout::TimeoutConfig,
};

use crate::aws::{
    credentials::{refresh::RefreshingCredentials, static_credentials::StaticCredentials},
    errors::last_cause,
    sts_recorder::http_client,
};
use crate::domain::audit::AuditSink;

/// Longest wait for one attempt. The SDK has no default; without one a black-holed request would hang for ever.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a call, fetching credentials included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);

/// AWS as the operator's environment describes it: region, credentials, endpoints, proxies, as every AWS tool finds
/// them.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
}

/// As whom to call AWS.
#[derive(Clone, Debug)]
pub enum Identity {
    /// The operator's own identity, from its environment.
    Ambient,
    /// Credentials that a store brings.
    Static(StaticCredentials),
}

impl Aws {
    /// Reads the environment and the shared configuration files. Calls by which the SDK obtains credentials go to
    /// `audit_sink`; those of [`AwsApi`] are recorded by whoever makes them.
    pub async fn from_environment(audit_sink: Arc<dyn AuditSink>) -> Self {
        let region = DefaultRegionChain::builder().build().region().await;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .http_client(http_client(audit_sink, region.as_ref().map(ToString::to_string).unwrap_or_default()))
            .region(region);
        if let Ok(name) = AppName::new("secure-parameter-operator") {
            loader = loader.app_name(name);
        }
        let config = loader.load().await;
        let renewing = config
            .credentials_provider()
            .map(|source| SharedCredentialsProvider::new(RefreshingCredentials::new(source)));
        let mut config = config.into_builder();
        config.set_credentials_provider(renewing);
        Self { config: config.build() }
    }

    /// The region that the environment names.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(Region::as_ref)
    }

    /// Whether the environment gives credentials. Asks whatever source it names: files, web identity, container or
    /// instance metadata.
    ///
    /// # Errors
    /// What came of that.
    pub async fn check_credentials(&self) -> Result<(), String> {
        let Some(provider) = self.config.credentials_provider() else { return Err("no source of them".to_owned()) };
        provider.provide_credentials().await.map(drop).map_err(|error| last_cause(&error))
    }

    /// Clients for an identity in a region.
    pub fn api(&self, identity: &Identity, region: &str) -> AwsApi {
        let mut config = self.config.to_builder().region(Region::new(region.to_owned()));
        if let Identity::Static(credentials) = identity {
            config = config.credentials_provider(SharedCredentialsProvider::new(credentials.provider()));
        }
        let config = config.build();
        AwsApi {
            ssm: aws_sdk_ssm::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            region: region.to_owned(),
        }
    }
}

/// SSM, KMS and STS as one identity in one region.
#[derive(Clone, Debug)]
pub struct AwsApi {
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    pub(crate) region: String,
}
