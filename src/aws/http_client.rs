//! The HTTP clients of all AWS calls.

use std::{fmt, sync::Arc};

use aws_smithy_http_client::{
    Builder, ConnectorBuilder,
    proxy::ProxyConfig,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    dns::SharedDnsResolver, http::SharedHttpClient, runtime_components::RuntimeComponents,
};

use crate::aws::{
    endpoints::{
        link_local::{SystemResolver, WithoutLinkLocal},
        options::EndpointOptions,
    },
    fence::fenced,
    sts_recorder::recording,
};
use crate::{domain::audit::AuditSink, leadership::Leadership};

/// The HTTP clients. Each records the calls that assume a role, and calls Parameter Store and KMS only while the process leads.
#[derive(Clone)]
pub(super) struct HttpClients {
    /// For endpoints of AWS and of the operator's environment.
    trusted: SharedHttpClient,
    /// For endpoints that a store names: it never connects to link-local addresses.
    restricted: SharedHttpClient,
    audit_sink: Arc<dyn AuditSink>,
}

impl HttpClients {
    /// Creates the clients, which connect to nothing yet.
    pub(super) fn new(audit_sink: Arc<dyn AuditSink>, leadership: &Leadership) -> Self {
        let restricted = http_client(Some(SharedDnsResolver::new(WithoutLinkLocal(SystemResolver))));
        Self {
            trusted: fenced(&http_client(None), leadership),
            restricted: fenced(&restricted, leadership),
            audit_sink,
        }
    }

    /// Returns the client of the operator's own calls, whose endpoints its environment names.
    pub(super) fn own(&self, region: &str) -> SharedHttpClient {
        recording(&self.trusted, &self.audit_sink, region)
    }

    /// Returns the client of calls for a store.
    pub(super) fn of_store(&self, endpoints: &EndpointOptions) -> SharedHttpClient {
        let client = if endpoints.is_custom() { &self.restricted } else { &self.trusted };
        recording(client, &self.audit_sink, &endpoints.region)
    }
}

impl fmt::Debug for HttpClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClients")
    }
}

/// Creates the SDK's default client, with a resolver of names of our own if one is given. Hosts that are addresses are
/// connected to without a resolver.
fn http_client(resolver: Option<SharedDnsResolver>) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut builder = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        builder.set_connector_settings(settings.cloned());
        builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        builder.set_proxy_config(Some(ProxyConfig::from_env()));
        match &resolver {
            Some(resolver) => builder.build_with_resolver(resolver.clone()),
            None => builder.build(),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        net::{IpAddr, TcpListener},
        thread,
    };

    use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
    use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
    use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};
    use parking_lot::Mutex;

    use super::*;
    use crate::{
        api::Endpoints,
        aws::{convert_error::root_cause, endpoints::options::WantedEndpoints, options::AwsOptions},
        domain::audit::{AuditRecord, SecretWrite},
    };

    /// Resolves each name to the addresses given for it.
    #[derive(Clone, Debug)]
    struct Names(BTreeMap<&'static str, Vec<IpAddr>>);

    impl ResolveDns for Names {
        fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
            DnsFuture::ready(Ok(self.0.get(name).cloned().unwrap_or_default()))
        }
    }

    /// A client of STS at a URL where it is not.
    fn sts(client: SharedHttpClient, url: &str) -> aws_sdk_sts::Client {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("A", "s", None, None, "test")))
            .http_client(client)
            .endpoint_url(url)
            .build();
        aws_sdk_sts::Client::new(&config)
    }

    /// Calls STS. Returns the root cause of the failure.
    async fn call(client: SharedHttpClient, url: &str) -> String {
        root_cause(&sts(client, url).get_caller_identity().send().await.expect_err("no AWS there"))
    }

    /// The endpoints of a store that names one itself.
    fn custom(region: &str) -> EndpointOptions {
        let custom = Endpoints { sts: Some("https://sts.test".to_owned()), ..Endpoints::default() };
        let wanted = WantedEndpoints { region, fips: None, dual_stack: None, custom: Some(&custom) };
        let options = AwsOptions { allow_custom_endpoints: true, ..AwsOptions::default() };
        EndpointOptions::new(&wanted, &SdkConfig::builder().build(), &options).expect("options")
    }

    /// Keeps the region of each record.
    #[derive(Default)]
    struct Regions(Mutex<Vec<String>>);

    impl AuditSink for Regions {
        fn record_call(&self, record: &AuditRecord) {
            let record = serde_json::to_value(record).expect("JSON");
            self.0.lock().push(record["cloudtrail"]["awsRegion"].as_str().unwrap_or_default().to_owned());
        }

        fn record_write(&self, _: &SecretWrite) {}
    }

    #[tokio::test]
    async fn names_of_link_local_addresses_are_never_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        // Accepts one connection and closes it.
        let accepted = thread::spawn(move || listener.accept().is_ok());
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (metadata, loopback) = (address("169.254.169.254"), address("127.0.0.1"));
        let names = Names([("metadata.test", vec![metadata]), ("mixed.test", vec![metadata, loopback])].into());
        let client = http_client(Some(SharedDnsResolver::new(WithoutLinkLocal(names))));
        let refused = call(client.clone(), &format!("http://metadata.test:{port}")).await;
        assert_eq!(refused, "metadata.test has link-local addresses only, and these are never called");
        call(client, &format!("http://mixed.test:{port}")).await;
        assert!(accepted.join().expect("a thread"), "the other address of the name was not called");
    }

    /// Here the system itself makes an address of what is written like a name.
    #[tokio::test]
    async fn the_client_of_a_store_with_endpoints_is_the_restricted_one() {
        let client =
            HttpClients::new(Arc::new(Regions::default()), &Leadership::default()).of_store(&custom("eu-central-1"));
        let refused = call(client, "http://0xa9fea9fe").await;
        assert_eq!(refused, "0xa9fea9fe has link-local addresses only, and these are never called");
    }

    /// The request itself names no region, since it is not signed.
    #[tokio::test]
    async fn a_session_is_recorded_in_the_region_of_the_store() {
        let regions = Arc::new(Regions::default());
        let clients = HttpClients::new(regions.clone(), &Leadership::default());
        let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        for client in [clients.own("eu-central-1"), clients.of_store(&custom("cn-north-1"))] {
            let call = sts(client, &format!("http://{closed}")).assume_role_with_web_identity();
            let call = call.role_arn("arn:aws:iam::1:role/a").role_session_name("s").web_identity_token("t");
            call.send().await.expect_err("nobody listens");
        }
        assert_eq!(*regions.0.lock(), ["eu-central-1", "cn-north-1"]);
    }
}
