//! Which hosts the clients of a store call, by the SDK's own rules.

use std::sync::Arc;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig};
use aws_sdk_ssm::config::{Credentials, SharedCredentialsProvider};
use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use parking_lot::Mutex;

use super::options::{EndpointOptions, WantedEndpoints};
use crate::{api::Endpoints, aws::options::AwsOptions};

/// Remembers the URL of each request, and answers none.
#[derive(Clone, Debug, Default)]
struct Capture(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Capture {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.lock().push(request.uri().to_owned());
        HttpConnectorFuture::ready(Err(ConnectorError::io("captured".into())))
    }
}

impl Capture {
    fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }
}

fn environment() -> aws_types::sdk_config::Builder {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKID", "secret", None, None, "test")))
}

/// Returns the hosts of SSM, KMS and STS.
async fn hosts(options: &EndpointOptions, environment: &SdkConfig) -> [String; 3] {
    let capture = Capture::default();
    let config = options.config(environment, capture.client());
    let _ = aws_sdk_ssm::Client::new(&config).get_parameters().names("/a").send().await;
    let _ = aws_sdk_kms::Client::new(&config).describe_key().key_id("alias/a").send().await;
    let _ = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
    let called = capture.0.lock().clone();
    let hosts: Vec<_> = called.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
    hosts.try_into().expect("three calls")
}

fn allowed() -> AwsOptions {
    AwsOptions { allow_custom_endpoints: true, ..AwsOptions::default() }
}

fn wanted(region: &str) -> WantedEndpoints<'_> {
    WantedEndpoints { region, fips: None, dual_stack: None, custom: None }
}

#[tokio::test]
async fn the_sdk_finds_the_hosts_of_every_partition() {
    let environment = environment().build();
    for (region, fips, dual_stack, expected) in [
        (
            "eu-central-1",
            false,
            false,
            ["ssm.eu-central-1.amazonaws.com", "kms.eu-central-1.amazonaws.com", "sts.eu-central-1.amazonaws.com"],
        ),
        (
            "us-east-1",
            false,
            false,
            ["ssm.us-east-1.amazonaws.com", "kms.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"],
        ),
        (
            "us-east-1",
            true,
            false,
            [
                "ssm-fips.us-east-1.amazonaws.com",
                "kms-fips.us-east-1.amazonaws.com",
                "sts-fips.us-east-1.amazonaws.com",
            ],
        ),
        ("us-east-1", false, true, ["ssm.us-east-1.api.aws", "kms.us-east-1.api.aws", "sts.us-east-1.api.aws"]),
        (
            "us-east-1",
            true,
            true,
            ["ssm-fips.us-east-1.api.aws", "kms-fips.us-east-1.api.aws", "sts-fips.us-east-1.api.aws"],
        ),
        (
            "cn-north-1",
            false,
            false,
            ["ssm.cn-north-1.amazonaws.com.cn", "kms.cn-north-1.amazonaws.com.cn", "sts.cn-north-1.amazonaws.com.cn"],
        ),
        (
            "cn-north-1",
            true,
            false,
            [
                "ssm-fips.cn-north-1.amazonaws.com.cn",
                "kms-fips.cn-north-1.amazonaws.com.cn",
                "sts-fips.cn-north-1.amazonaws.com.cn",
            ],
        ),
        (
            "cn-north-1",
            false,
            true,
            [
                "ssm.cn-north-1.api.amazonwebservices.com.cn",
                "kms.cn-north-1.api.amazonwebservices.com.cn",
                "sts.cn-north-1.api.amazonwebservices.com.cn",
            ],
        ),
        (
            "us-gov-west-1",
            false,
            false,
            ["ssm.us-gov-west-1.amazonaws.com", "kms.us-gov-west-1.amazonaws.com", "sts.us-gov-west-1.amazonaws.com"],
        ),
        (
            "us-gov-west-1",
            true,
            false,
            [
                "ssm.us-gov-west-1.amazonaws.com",
                "kms-fips.us-gov-west-1.amazonaws.com",
                "sts.us-gov-west-1.amazonaws.com",
            ],
        ),
        (
            "eusc-de-east-1",
            false,
            false,
            ["ssm.eusc-de-east-1.amazonaws.eu", "kms.eusc-de-east-1.amazonaws.eu", "sts.eusc-de-east-1.amazonaws.eu"],
        ),
        (
            "eusc-de-east-1",
            true,
            false,
            [
                "ssm-fips.eusc-de-east-1.amazonaws.eu",
                "kms-fips.eusc-de-east-1.amazonaws.eu",
                "sts-fips.eusc-de-east-1.amazonaws.eu",
            ],
        ),
    ] {
        let wanted = WantedEndpoints { fips: Some(fips), dual_stack: Some(dual_stack), ..wanted(region) };
        let options = EndpointOptions::new(&wanted, &environment, &AwsOptions::default()).expect("options");
        let expected = expected.map(|host| format!("https://{host}"));
        assert_eq!(hosts(&options, &environment).await, expected, "{options:?}");
    }
}

#[tokio::test]
async fn the_environment_decides_what_the_store_leaves_open() {
    let fips = environment().use_fips(true).use_dual_stack(true).build();
    let options = |wanted: &WantedEndpoints<'_>| EndpointOptions::new(wanted, &fips, &AwsOptions::default());
    let open = options(&wanted("us-east-1")).expect("options");
    assert_eq!(hosts(&open, &fips).await[0], "https://ssm-fips.us-east-1.api.aws");
    let off = WantedEndpoints { fips: Some(false), dual_stack: Some(false), ..wanted("us-east-1") };
    let off = options(&off).expect("options");
    assert_eq!(hosts(&off, &fips).await[0], "https://ssm.us-east-1.amazonaws.com");
    assert_ne!(open, off, "stores with other endpoints need clients of their own");
    // Two spellings of the same choice share clients.
    let plain = environment().build();
    let same = EndpointOptions::new(&wanted("us-east-1"), &plain, &AwsOptions::default());
    assert_eq!(same, Ok(off));
}

#[tokio::test]
async fn endpoints_of_a_store_win_over_those_of_the_environment() {
    let environment = environment().endpoint_url("https://general.test").build();
    let custom = Endpoints {
        ssm: Some("https://vpce-1.ssm.test/".to_owned()),
        sts: Some("http://127.1:4566".to_owned()),
        ..Endpoints::default()
    };
    let wanted = WantedEndpoints { custom: Some(&custom), ..wanted("eu-central-1") };
    let options = EndpointOptions::new(&wanted, &environment, &allowed()).expect("options");
    let expected = ["https://vpce-1.ssm.test", "https://general.test", "http://127.0.0.1:4566"];
    assert_eq!(hosts(&options, &environment).await, expected);
}

#[test]
fn fips_with_an_endpoint_of_the_environment_is_refused() {
    #[derive(Debug)]
    struct OfSts;
    impl LoadServiceConfig for OfSts {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            (key.service_id() == "STS").then(|| "https://sts.test".to_owned())
        }
    }
    let wanted = WantedEndpoints { fips: Some(true), ..wanted("us-east-1") };
    for named in [environment().endpoint_url("https://general.test"), environment().service_config(OfSts)] {
        let refused = EndpointOptions::new(&wanted, &named.build(), &allowed()).expect_err("refused");
        assert!(refused.contains("AWS_ENDPOINT_URL"), "{refused}");
    }
}

#[test]
fn endpoints_of_a_store_are_refused_with_the_remedy() {
    let plain = environment().build();
    let fips = environment().use_fips(true).build();
    let custom = |url: &str| Endpoints { kms: Some(url.to_owned()), ..Endpoints::default() };
    for (endpoints, environment, options, expected) in [
        (custom("https://kms.test"), &plain, AwsOptions::default(), "--allow-custom-endpoints"),
        (
            custom("http://169.254.170.23"),
            &plain,
            allowed(),
            "spec.endpoints.kms leads to the link-local address 169.254.170.23",
        ),
        (custom("https://a:b@kms.test"), &plain, allowed(), "spec.endpoints.kms holds a user name"),
        (custom("https://kms.test"), &fips, allowed(), "FIPS and dual-stack endpoints cannot be combined"),
    ] {
        let wanted = WantedEndpoints { custom: Some(&endpoints), ..wanted("eu-central-1") };
        let refused = EndpointOptions::new(&wanted, environment, &options).expect_err("refused");
        assert!(refused.contains(expected) && refused.ends_with('.'), "{refused}");
    }
}
