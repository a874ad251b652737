//! The calls themselves, one attempt each.

use std::{error::Error, sync::Arc};

use aws_sdk_ssm::{
    error::{ProvideErrorMetadata, SdkError},
    types::Parameter as SsmParameter,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{capture::Capture, client::AwsApi, error::convert};
use crate::{
    domain::{
        audit::{Principal, to_seconds},
        aws_error::KeyState,
    },
    parameters::{Answer, Call, Parameter, ParameterApi},
};

const GET_PARAMETERS: (&str, &str) = ("ssm.amazonaws.com", "GetParameters");
const DESCRIBE_KEY: (&str, &str) = ("kms.amazonaws.com", "DescribeKey");
const GET_CALLER_IDENTITY: (&str, &str) = ("sts.amazonaws.com", "GetCallerIdentity");

impl ParameterApi for AwsApi {
    async fn get_parameters(&self, names: &[String], decrypt: bool) -> Call<Answer> {
        let capture = Capture::default();
        let request = self.ssm.get_parameters().set_names(Some(names.to_vec())).with_decryption(decrypt);
        let result = request.customize().interceptor(capture.clone()).send().await.map(|output| Answer {
            found: output.parameters.into_iter().flatten().filter_map(|p| parameter(p, decrypt)).collect(),
            invalid: output.invalid_parameters.unwrap_or_default(),
        });
        let parameters = json!({"names": names, "withDecryption": decrypt});
        self.call(GET_PARAMETERS, parameters, &capture, result)
    }

    async fn describe_key(&self, key: &str) -> Call<KeyState> {
        let capture = Capture::default();
        let request = self.kms.describe_key().key_id(key);
        let result = request.customize().interceptor(capture.clone()).send().await.map(|output| {
            let metadata = output.key_metadata;
            KeyState {
                arn: metadata.as_ref().and_then(|m| m.arn.clone()).unwrap_or_else(|| key.to_owned()),
                state: metadata
                    .as_ref()
                    .and_then(|m| m.key_state.as_ref())
                    .map_or("Unknown", |s| s.as_str())
                    .to_owned(),
                deletion_date: metadata
                    .and_then(|m| m.deletion_date)
                    .and_then(|date| Timestamp::from_second(date.secs()).ok())
                    .map(to_seconds),
            }
        });
        self.call(DESCRIBE_KEY, json!({"keyId": key}), &capture, result)
    }

    async fn get_caller_identity(&self) -> Call<Principal> {
        let capture = Capture::default();
        let request = self.sts.get_caller_identity();
        let result = request.customize().interceptor(capture.clone()).send().await.map(|output| Principal {
            arn: output.arn.unwrap_or_default(),
            account: output.account.unwrap_or_default(),
            user_id: output.user_id.unwrap_or_default(),
        });
        self.call(GET_CALLER_IDENTITY, Value::Null, &capture, result)
    }

    fn region(&self) -> &str {
        &self.region
    }
}

impl AwsApi {
    fn call<T, E>(
        &self,
        operation: (&'static str, &'static str),
        request_parameters: Value,
        capture: &Capture,
        result: Result<T, SdkError<E, HttpResponse>>,
    ) -> Call<T>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let result = result.map_err(|error| convert(&error, capture));
        let facts = capture.facts(operation, &self.region, request_parameters, result.as_ref().err());
        Call { facts, result }
    }
}

/// Takes over what the reader needs; everything else of the answer (ciphertext, `SourceResult`) is dropped here.
fn parameter(parameter: SsmParameter, decrypted: bool) -> Option<Parameter> {
    Some(Parameter {
        arn: parameter.arn?,
        name: parameter.name?,
        version: parameter.version,
        type_: parameter.r#type.map_or_else(|| "Unknown".to_owned(), |type_| type_.as_str().to_owned()),
        last_modified: parameter
            .last_modified_date
            .and_then(|date| date.to_millis().ok())
            .and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        value: parameter.value.filter(|_| decrypted).map(|value| Arc::new(value.into())),
    })
}
