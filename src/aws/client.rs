//! Creates clients of AWS: one set for each identity and region, all on one HTTP client.

use std::{sync::Arc, time::Duration};

use aws_config::{
    BehaviorVersion, SdkConfig, default_provider::region::DefaultRegionChain, identity::IdentityCache,
    provider_config::ProviderConfig,
};
use aws_sdk_ssm::config::{AppName, Region, SharedCredentialsProvider, retry::RetryConfig, timeout::TimeoutConfig};

use crate::aws::{
    credentials::refresh::RefreshingCredentials,
    environment::own_credentials,
    identity::{Identities, Identity, IdentityCredentials, IdentityKey},
    options::AwsOptions,
    sts_recorder::http_client,
};
use crate::{background::Alarm, domain::audit::AuditSink};

/// Longest wait for one attempt. The SDK has no default, and without one a request whose packets are dropped would hang
/// forever.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a call, including the loading of credentials.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);

/// The configuration of AWS from the operator's environment: region, credentials, endpoints and proxies, found as every
/// AWS tool finds them.
#[derive(Debug)]
pub(crate) struct Aws {
    config: SdkConfig,
    identities: Identities,
    options: AwsOptions,
}

impl Aws {
    /// Reads the environment and the shared configuration files. The calls that the SDK makes to obtain credentials are
    /// recorded in `audit_sink`; the calls of [`AwsApi`] are recorded by their caller. The
    /// renewal of credentials raises `alarm` if it ends.
    pub(crate) async fn from_environment(options: AwsOptions, audit_sink: Arc<dyn AuditSink>, alarm: &Alarm) -> Self {
        let region = DefaultRegionChain::builder().build().region().await;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let http_client = http_client(audit_sink, region.as_ref().map(ToString::to_string).unwrap_or_default());
        let provider_config = ProviderConfig::default()
            .with_http_client(http_client.clone())
            .with_region(region.clone())
            .with_retry_config(RetryConfig::disabled())
            .with_timeout_config(timeouts.clone());
        let source = SharedCredentialsProvider::new(own_credentials(&options, provider_config).await);
        let credentials = RefreshingCredentials::new(source, alarm);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            // `RefreshingCredentials` is the cache. The SDK's own would keep credentials that AWS refuses.
            .identity_cache(IdentityCache::no_cache())
            .http_client(http_client)
            .credentials_provider(credentials.clone())
            .region(region);
        if let Ok(name) = AppName::new("secure-parameter-operator") {
            loader = loader.app_name(name);
        }
        Self { config: loader.load().await, identities: Identities::new(credentials, alarm), options }
    }

    /// Returns what the operator's arguments say of AWS.
    pub(crate) const fn options(&self) -> &AwsOptions {
        &self.options
    }

    /// Returns the region of the environment, if it names one.
    pub(crate) fn region(&self) -> Option<&str> {
        self.config.region().map(Region::as_ref)
    }

    /// Checks that the environment provides credentials. Loads them from the source that it names: files, web identity,
    /// container credentials, and the role of the node if that is allowed.
    ///
    /// # Errors
    /// The cause, as part of a sentence.
    pub(crate) async fn check_credentials(&self) -> Result<(), String> {
        self.identities.operator().load().await.map(drop).map_err(|error| error.text())
    }

    /// Returns what tells this identity in this region from others.
    pub(crate) fn key(&self, identity: &Identity, region: &str) -> ApiKey {
        ApiKey { region: region.to_owned(), identity: self.identities.key(identity) }
    }

    /// Returns the credentials of an identity. STS is asked in this region, and no sooner than they are needed.
    pub(crate) fn credentials(&self, identity: &Identity, region: &str) -> IdentityCredentials {
        self.identities.credentials(identity, &self.config(region))
    }

    /// Creates the clients of an identity in a region.
    pub(crate) fn api(&self, identity: &Identity, region: &str) -> AwsApi {
        let config = self.config(region);
        let credentials = self.identities.credentials(identity, &config);
        let config = config.into_builder().credentials_provider(credentials.provider.clone()).build();
        AwsApi {
            ssm: aws_sdk_ssm::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            region: region.to_owned(),
            credentials,
        }
    }

    fn config(&self, region: &str) -> SdkConfig {
        self.config.to_builder().region(Region::new(region.to_owned())).build()
    }
}

/// Identifies an identity in a region, within this process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ApiKey {
    region: String,
    identity: IdentityKey,
}

/// Clients of SSM, KMS and STS for one identity in one region.
#[derive(Clone, Debug)]
pub(crate) struct AwsApi {
    pub(crate) ssm: aws_sdk_ssm::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) sts: aws_sdk_sts::Client,
    pub(crate) region: String,
    /// The credentials of the identity.
    pub(crate) credentials: IdentityCredentials,
}
