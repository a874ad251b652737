//! Creates clients of AWS: one set for each identity and region, on shared HTTP clients.

use std::{sync::Arc, time::Duration};

use aws_config::{
    BehaviorVersion, SdkConfig, default_provider::region::DefaultRegionChain, identity::IdentityCache,
    provider_config::ProviderConfig,
};
use aws_sdk_ssm::config::{AppName, Region, SharedCredentialsProvider, retry::RetryConfig, timeout::TimeoutConfig};

use crate::aws::{
    credentials::refresh::RefreshingCredentials,
    endpoints::options::{EndpointOptions, WantedEndpoints},
    environment::own_credentials,
    http_client::HttpClients,
    identity::{Identities, Identity, IdentityCredentials, IdentityKey},
    options::AwsOptions,
};
use crate::{background::Alarm, domain::audit::AuditSink, leadership::Leadership};

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
    http_clients: HttpClients,
}

impl Aws {
    /// Reads the environment and the shared configuration files. The calls that the SDK makes to obtain credentials are
    /// recorded in `audit_sink`; the calls of [`AwsApi`] are recorded by their caller. The
    /// renewal of credentials raises `alarm` if it ends. Parameter Store and KMS are called only while `leadership` stands.
    pub(crate) async fn from_environment(
        options: AwsOptions,
        audit_sink: Arc<dyn AuditSink>,
        alarm: &Alarm,
        leadership: &Leadership,
    ) -> Self {
        let region = DefaultRegionChain::builder().build().region().await;
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let http_clients = HttpClients::new(audit_sink, leadership);
        let http_client = http_clients.own(region.as_ref().map(Region::as_ref).unwrap_or_default());
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
        let identities = Identities::new(credentials, alarm);
        Self { config: loader.load().await, identities, options, http_clients }
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

    /// Returns where AWS is called for a store that wants this.
    ///
    /// # Errors
    /// The reason why it is refused: one sentence.
    pub(crate) fn endpoints(&self, wanted: &WantedEndpoints<'_>) -> Result<EndpointOptions, String> {
        EndpointOptions::new(wanted, &self.config, &self.options)
    }

    /// Returns what tells this identity at these endpoints from others.
    pub(crate) fn key(&self, identity: &Identity, endpoints: &EndpointOptions) -> ApiKey {
        ApiKey { endpoints: endpoints.clone(), identity: self.identities.key(identity) }
    }

    /// Returns the credentials of an identity. STS is asked at these endpoints, and no sooner than they are needed.
    pub(crate) fn credentials(&self, identity: &Identity, endpoints: &EndpointOptions) -> IdentityCredentials {
        self.identities.credentials(identity, endpoints, &self.config(endpoints))
    }

    /// Creates the clients of an identity.
    pub(crate) fn api(&self, identity: &Identity, endpoints: &EndpointOptions) -> AwsApi {
        let config = self.config(endpoints);
        let credentials = self.identities.credentials(identity, endpoints, &config);
        let config = config.into_builder().credentials_provider(credentials.provider.clone()).build();
        AwsApi {
            ssm: aws_sdk_ssm::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            region: endpoints.region.clone(),
            credentials,
        }
    }

    /// Returns the configuration of clients that call AWS at these endpoints.
    fn config(&self, endpoints: &EndpointOptions) -> SdkConfig {
        endpoints.config(&self.config, self.http_clients.of_store(endpoints))
    }
}

/// Identifies an identity at the endpoints of a region, within this process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ApiKey {
    endpoints: EndpointOptions,
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
