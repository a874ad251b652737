//! Identities that call AWS, and their credentials. Each identity has one cache, which all its clients share.

use std::collections::HashMap;

use aws_config::SdkConfig;
use aws_sdk_ssm::config::{ProvideCredentials, SharedCredentialsProvider};
use parking_lot::Mutex;

use crate::aws::credentials::{
    assume_role::RoleCredentials,
    digest::{CredentialDigest, CredentialDigests},
    refresh::{RefreshingCredentials, WeakRefreshingCredentials},
    static_credentials::StaticCredentials,
    web_identity::{WebIdentity, WebIdentityCredentials},
};
use crate::aws::endpoints::options::EndpointOptions;
use crate::{
    background::Alarm,
    domain::{
        audit::Principal,
        aws_error::AwsError,
        identity::session::{RoleRequest, WebIdentityRequest},
    },
};

/// The identity that calls AWS.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// Where its first credentials come from.
    pub(crate) source: Source,
    /// The roles that are assumed one after the other.
    pub(crate) roles: Vec<RoleRequest>,
}

/// Where credentials come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The operator's own identity, from its environment.
    Operator,
    /// An access key from a Secret.
    Static(StaticCredentials),
    /// Tokens of a ServiceAccount.
    WebIdentity(WebIdentity),
}

/// Tells an identity from others, within this process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IdentityKey {
    source: SourceKey,
    roles: Vec<RoleRequest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum SourceKey {
    Operator,
    Static(CredentialDigest),
    WebIdentity { service_account: (String, String), audiences: Vec<String>, request: WebIdentityRequest },
}

/// The credentials of an identity.
#[derive(Clone, Debug)]
pub(crate) struct IdentityCredentials {
    /// Provides them.
    pub(crate) provider: SharedCredentialsProvider,
    /// Their cache, which can load others. `None` for an access key, of which there are no others.
    pub(crate) cache: Option<RefreshingCredentials>,
}

impl IdentityCredentials {
    fn cached(cache: RefreshingCredentials) -> Self {
        Self { provider: SharedCredentialsProvider::new(cache.clone()), cache: Some(cache) }
    }

    /// Loads the credentials. Returns the principal of a session; `None` for credentials that do not say whose they are.
    ///
    /// # Errors
    /// The failure to load them.
    pub(crate) async fn load(&self) -> Result<Option<Principal>, AwsError> {
        let loaded = self.provider.provide_credentials().await;
        loaded.map(|credentials| credentials.get_property().cloned()).map_err(|error| AwsError::of_credentials(&error))
    }
}

/// The credentials of all identities.
#[derive(Debug)]
pub(crate) struct Identities {
    /// The operator's own.
    operator: IdentityCredentials,
    digests: CredentialDigests,
    alarm: Alarm,
    caches: Mutex<HashMap<(EndpointOptions, IdentityKey), WeakRefreshingCredentials>>,
}

impl Identities {
    /// Nobody uses any yet. `operator` provides the operator's own credentials.
    pub(crate) fn new(operator: RefreshingCredentials, alarm: &Alarm) -> Self {
        let operator = IdentityCredentials::cached(operator);
        Self { operator, digests: CredentialDigests::new(), alarm: alarm.clone(), caches: Mutex::default() }
    }

    /// Returns the operator's own credentials.
    pub(crate) const fn operator(&self) -> &IdentityCredentials {
        &self.operator
    }

    /// Returns what tells this identity from others.
    pub(crate) fn key(&self, identity: &Identity) -> IdentityKey {
        let source = match &identity.source {
            Source::Operator => SourceKey::Operator,
            Source::Static(credentials) => SourceKey::Static(self.digests.digest(credentials)),
            Source::WebIdentity(WebIdentity { service_account, audiences, request, .. }) => SourceKey::WebIdentity {
                service_account: service_account.clone(),
                audiences: audiences.clone(),
                request: request.clone(),
            },
        };
        IdentityKey { source, roles: identity.roles.clone() }
    }

    /// Returns the credentials of an identity. STS is asked at these endpoints, which `config` is for, and no sooner than they
    /// are needed.
    pub(crate) fn credentials(
        &self,
        identity: &Identity,
        endpoints: &EndpointOptions,
        config: &SdkConfig,
    ) -> IdentityCredentials {
        let Some((last, first)) = identity.roles.split_last() else {
            return self.first_credentials(identity, endpoints, config);
        };
        self.shared(identity, endpoints, || {
            let base = Identity { source: identity.source.clone(), roles: first.to_vec() };
            let base = self.credentials(&base, endpoints, config);
            let signing = config.to_builder().credentials_provider(base.provider.clone()).build();
            let sts = aws_sdk_sts::Client::new(&signing);
            SharedCredentialsProvider::new(RoleCredentials {
                sts,
                base: base.provider,
                cache: base.cache,
                request: last.clone(),
            })
        })
    }

    fn first_credentials(
        &self,
        identity: &Identity,
        endpoints: &EndpointOptions,
        config: &SdkConfig,
    ) -> IdentityCredentials {
        match &identity.source {
            Source::Operator => self.operator.clone(),
            Source::Static(credentials) => {
                IdentityCredentials { provider: SharedCredentialsProvider::new(credentials.provider()), cache: None }
            }
            Source::WebIdentity(web_identity) => self.shared(identity, endpoints, || {
                let sts = aws_sdk_sts::Client::new(config);
                let identity = web_identity.clone();
                SharedCredentialsProvider::new(WebIdentityCredentials { sts, identity })
            }),
        }
    }

    /// Returns the cache of an identity. Creates it with `source` if nobody uses it yet.
    fn shared(
        &self,
        identity: &Identity,
        endpoints: &EndpointOptions,
        source: impl FnOnce() -> SharedCredentialsProvider,
    ) -> IdentityCredentials {
        let key = (endpoints.clone(), self.key(identity));
        if let Some(cache) = self.caches.lock().get(&key).and_then(WeakRefreshingCredentials::upgrade) {
            return IdentityCredentials::cached(cache);
        }
        let cache = RefreshingCredentials::new(source(), &self.alarm);
        let mut caches = self.caches.lock();
        if caches.len() == caches.capacity() {
            // Before the map grows; so this costs no more than the growth does.
            caches.retain(|_, cache| cache.upgrade().is_some());
        }
        caches.insert(key, cache.downgrade());
        IdentityCredentials::cached(cache)
    }
}
