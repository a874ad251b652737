//! Finds the operator's own credentials. This is the chain of every AWS tool with two differences: the role of the node is
//! used only if that is allowed, and the session of a web identity has a name that says whose it is.

use aws_config::{
    default_provider::{use_dual_stack::use_dual_stack_provider, use_fips::use_fips_provider},
    ecs::EcsCredentialsProvider,
    environment::EnvironmentVariableCredentialsProvider,
    imds::credentials::ImdsCredentialsProvider,
    meta::credentials::CredentialsProviderChain,
    profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig,
    web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider},
};
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};

use crate::{aws::options::AwsOptions, domain::identity::session_name::session_name};

/// The name by which a profile refers to the role of the node (AWS SDKs and Tools Reference Guide, `credential_source`).
const NODE_ROLE: &str = "Ec2InstanceMetadata";

/// What was looked for and why the role of the node was not, as part of a sentence.
const NOT_FOUND_WITHOUT_NODE_ROLE: &str = "there are none in environment variables, profile files, web identity and \
    container credentials, and the role of the node is used only with --allow-node-role";
/// The same where the node was asked too.
const NOT_FOUND: &str = "there are none in environment variables, profile files, web identity, container credentials and \
    the metadata of the node";

/// The reason why a profile is refused, as part of a sentence.
const PROFILE_WANTS_NODE_ROLE: &str = "the profile has credential_source = Ec2InstanceMetadata, and the role of the node \
    is used only with --allow-node-role";

/// Returns a provider of the operator's own credentials, which asks each source in turn. `config` has HTTP client, region,
/// timeouts and retries of the calls that it makes.
pub(super) async fn own_credentials(options: &AwsOptions, config: ProviderConfig) -> OwnCredentials {
    // These two also parse the profile files, so that the clients made below take their endpoints.
    let fips = use_fips_provider(&config).await;
    let dual_stack = use_dual_stack_provider(&config).await;
    let config = config.with_use_fips(fips).with_use_dual_stack(dual_stack);
    let mut profile = ProfileFileCredentialsProvider::builder().configure(&config);
    if !options.allow_node_role {
        profile = profile.with_custom_provider(NODE_ROLE, RefusedNodeRole);
    }
    let mut web_identity = WebIdentityTokenCredentialsProvider::builder().configure(&config);
    if let Some(static_configuration) = web_identity_file(options) {
        web_identity = web_identity.static_configuration(static_configuration);
    }
    let container = EcsCredentialsProvider::builder().configure(&config);
    let mut chain = CredentialsProviderChain::first_try("Environment", EnvironmentVariableCredentialsProvider::new())
        .or_else("Profile", profile.build())
        .or_else("WebIdentity", web_identity.build())
        .or_else("Container", container.build());
    if options.allow_node_role {
        chain = chain.or_else("NodeRole", ImdsCredentialsProvider::builder().configure(&config).build());
    }
    OwnCredentials { chain, not_found: if options.allow_node_role { NOT_FOUND } else { NOT_FOUND_WITHOUT_NODE_ROLE } }
}

/// Returns the role of the environment, if it names one with a token, and the name of its session. The SDK would name the
/// session `web-identity-token-<milliseconds>`, which tells a reader of CloudTrail nothing.
fn web_identity_file(options: &AwsOptions) -> Option<StaticConfiguration> {
    let file = options.web_identity.as_ref()?;
    Some(StaticConfiguration {
        web_identity_token_file: file.token_file.clone().into(),
        role_arn: file.role_arn.clone(),
        session_name: file
            .session_name
            .clone()
            .unwrap_or_else(|| session_name(options.cluster_name.as_deref().unwrap_or_default(), None, "")),
    })
}

/// The chain of credentials, whose error says what was looked for.
#[derive(Debug)]
pub(super) struct OwnCredentials {
    chain: CredentialsProviderChain,
    not_found: &'static str,
}

impl OwnCredentials {
    async fn load(&self) -> provider::Result {
        self.chain.provide_credentials().await.map_err(|error| match error {
            CredentialsError::CredentialsNotLoaded(_) => CredentialsError::not_loaded(self.not_found),
            other => other,
        })
    }
}

impl ProvideCredentials for OwnCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.load())
    }
}

/// Stands for the role of the node where that is not allowed.
#[derive(Debug)]
struct RefusedNodeRole;

impl ProvideCredentials for RefusedNodeRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::invalid_configuration(PROFILE_WANTS_NODE_ROLE)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::options::WebIdentityFile;

    fn name_of(variable: Option<&str>, cluster: Option<&str>) -> Option<String> {
        let file = WebIdentityFile {
            role_arn: "arn:aws:iam::111122223333:role/operator".to_owned(),
            token_file: "/token".to_owned(),
            session_name: variable.map(str::to_owned),
        };
        let cluster_name = cluster.map(str::to_owned);
        let options = AwsOptions { cluster_name, web_identity: Some(file), ..AwsOptions::default() };
        web_identity_file(&options).map(|configuration| configuration.session_name)
    }

    #[test]
    fn a_session_is_named_by_its_variable_or_else_by_the_cluster() {
        assert_eq!(name_of(Some("mine"), Some("blue")).as_deref(), Some("mine"));
        assert_eq!(name_of(None, Some("blue")).as_deref(), Some("spo-blue"));
        assert_eq!(name_of(None, None).as_deref(), Some("spo"));
        let long = "c".repeat(100);
        assert_eq!(name_of(None, Some(&long)).map(|name| name.len()), Some(29));
        assert!(web_identity_file(&AwsOptions::default()).is_none());
    }
}
