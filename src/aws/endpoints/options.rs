//! The region of a store, and which endpoints of AWS it uses there.

use aws_config::{Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

use crate::api::Endpoints;
use crate::aws::{endpoints::custom::endpoint, options::AwsOptions};

/// The setting that names an endpoint, and the ids of services, as the SDK asks for them (AWS SDKs and Tools Reference Guide,
/// "Service-specific endpoints").
const ENDPOINT_URL: &str = "endpoint_url";
const SSM: &str = "SSM";
const KMS: &str = "KMS";
const STS: &str = "STS";

const NOT_ALLOWED: &str = "The operator takes spec.endpoints from stores only with --allow-custom-endpoints \
    (aws.allowCustomEndpoints of the chart); start it with that, or remove spec.endpoints.";
const NOT_BOTH: &str = "FIPS and dual-stack endpoints cannot be combined with others, which spec.endpoints or the operator's \
    AWS_ENDPOINT_URL name; remove those, or set spec.fips and spec.dualStack to false.";

/// What a store says about where AWS is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WantedEndpoints<'a> {
    /// The region, which the store or the environment names.
    pub(crate) region: &'a str,
    /// `spec.fips`.
    pub(crate) fips: Option<bool>,
    /// `spec.dualStack`.
    pub(crate) dual_stack: Option<bool>,
    /// `spec.endpoints`.
    pub(crate) custom: Option<&'a Endpoints>,
}

/// Where AWS is called for a store. Two stores that differ in it have clients of their own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EndpointOptions {
    /// The region.
    pub(crate) region: String,
    /// Whether FIPS 140 endpoints are used.
    pub(crate) fips: bool,
    /// Whether endpoints with IPv4 and IPv6 are used.
    pub(crate) dual_stack: bool,
    /// The endpoints that the store names.
    custom: Endpoints,
}

impl EndpointOptions {
    /// Checks what a store wants. `environment` decides what it leaves open.
    ///
    /// # Errors
    /// The reason why it is refused: one sentence.
    pub(crate) fn new(
        wanted: &WantedEndpoints<'_>,
        environment: &SdkConfig,
        options: &AwsOptions,
    ) -> Result<Self, String> {
        let fips = wanted.fips.or_else(|| environment.use_fips()).unwrap_or_default();
        let dual_stack = wanted.dual_stack.or_else(|| environment.use_dual_stack()).unwrap_or_default();
        let custom = wanted.custom.map(|custom| checked(custom, options)).transpose()?.unwrap_or_default();
        // Otherwise the SDK would refuse each call.
        if (fips || dual_stack) && (custom != Endpoints::default() || names_endpoint(environment)) {
            return Err(NOT_BOTH.to_owned());
        }
        Ok(Self { region: wanted.region.to_owned(), fips, dual_stack, custom })
    }

    /// Reports whether the store names an endpoint itself.
    pub(crate) fn is_custom(&self) -> bool {
        self.custom != Endpoints::default()
    }

    /// Names what may not exist in every region, as part of a sentence.
    pub(crate) const fn special(&self) -> Option<&'static str> {
        match (self.fips, self.dual_stack) {
            (false, false) => None,
            (true, false) => Some("FIPS endpoints"),
            (false, true) => Some("dual-stack endpoints"),
            (true, true) => Some("dual-stack FIPS endpoints"),
        }
    }

    /// Returns the configuration of clients that call AWS there through `http_client`.
    pub(in crate::aws) fn config(&self, environment: &SdkConfig, http_client: SharedHttpClient) -> SdkConfig {
        let mut config = environment
            .to_builder()
            .region(Region::new(self.region.clone()))
            .use_fips(self.fips)
            .use_dual_stack(self.dual_stack)
            .http_client(http_client);
        if self.is_custom() {
            config = config
                .service_config(CustomEndpoints { custom: self.custom.clone(), environment: environment.clone() });
        }
        config.build()
    }
}

/// Reports whether the environment names an endpoint of a service that is called.
fn names_endpoint(environment: &SdkConfig) -> bool {
    let of_service = |service| {
        let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile(ENDPOINT_URL).build();
        environment.service_config()?.load_config(key.ok()?)
    };
    environment.endpoint_url().is_some() || [SSM, KMS, STS].into_iter().any(|service| of_service(service).is_some())
}

fn checked(custom: &Endpoints, options: &AwsOptions) -> Result<Endpoints, String> {
    if !options.allow_custom_endpoints {
        return Err(NOT_ALLOWED.to_owned());
    }
    let checked = |name: &str, text: Option<&str>| {
        let refused = |problem| format!("spec.endpoints.{name} {problem}.");
        text.map(endpoint).transpose().map_err(refused)
    };
    Ok(Endpoints {
        ssm: checked("ssm", custom.ssm.as_deref())?,
        kms: checked("kms", custom.kms.as_deref())?,
        sts: checked("sts", custom.sts.as_deref())?,
    })
}

/// Answers what each client asks about its own endpoint, before the environment does.
#[derive(Debug)]
struct CustomEndpoints {
    custom: Endpoints,
    environment: SdkConfig,
}

impl LoadServiceConfig for CustomEndpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let custom = match (key.profile(), key.service_id()) {
            (ENDPOINT_URL, SSM) => self.custom.ssm.clone(),
            (ENDPOINT_URL, KMS) => self.custom.kms.clone(),
            (ENDPOINT_URL, STS) => self.custom.sts.clone(),
            _ => None,
        };
        custom.or_else(|| self.environment.service_config()?.load_config(key))
    }
}
