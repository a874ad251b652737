//! The calls themselves, one attempt each.

use std::{error::Error, sync::Arc};

use aws_sdk_ssm::{
    error::{ProvideErrorMetadata, SdkError},
    types::{Parameter as SsmParameter, ParameterMetadata, ParameterStringFilter},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::Blob;
use k8s_openapi::jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::{call_recorder::CallRecorder, client::AwsApi, errors::convert};
use crate::{
    domain::{
        audit::{Principal, to_seconds},
        parameter::{key::KeyState, path_query::PathQuery},
    },
    parameters::{
        Attempt, Ciphertext, DescribeParametersPage, GetParametersByPathPage, GetParametersResult, Parameter,
        ParameterApi, ParameterDescription, Plaintext, ReadMode,
    },
};

const GET_PARAMETERS: (&str, &str) = ("ssm.amazonaws.com", "GetParameters");
const GET_PARAMETERS_BY_PATH: (&str, &str) = ("ssm.amazonaws.com", "GetParametersByPath");
const DESCRIBE_PARAMETERS: (&str, &str) = ("ssm.amazonaws.com", "DescribeParameters");
const DECRYPT: (&str, &str) = ("kms.amazonaws.com", "Decrypt");
const DESCRIBE_KEY: (&str, &str) = ("kms.amazonaws.com", "DescribeKey");
const GET_CALLER_IDENTITY: (&str, &str) = ("sts.amazonaws.com", "GetCallerIdentity");

/// Most names in a call of `DescribeParameters`, and most results on a page (Systems Manager API reference).
const DESCRIBED_NAMES: i32 = 50;
/// Most results on a page of `GetParametersByPath` (Systems Manager API reference).
const LISTED_NAMES: i32 = 10;

impl ParameterApi for AwsApi {
    async fn get_parameters(&self, names: &[String], mode: ReadMode) -> Attempt<GetParametersResult> {
        let (capture, decrypt) = (CallRecorder::default(), mode == ReadMode::Decrypt);
        let request = self.ssm.get_parameters().set_names(Some(names.to_vec())).with_decryption(decrypt);
        let result = request.customize().interceptor(capture.clone()).send().await.map(|output| GetParametersResult {
            parameters: output.parameters.into_iter().flatten().filter_map(|p| parameter(p, mode)).collect(),
        });
        let parameters = json!({"names": names, "withDecryption": decrypt});
        self.call(GET_PARAMETERS, parameters, &capture, result)
    }

    async fn describe_parameters(&self, names: &[String], page: Option<&str>) -> Attempt<DescribeParametersPage> {
        let capture = CallRecorder::default();
        let filter = ParameterStringFilter::builder().key("Name").option("Equals").set_values(Some(names.to_vec()));
        let mut parameters = json!({
            "parameterFilters": [{"key": "Name", "option": "Equals", "values": names}],
            "maxResults": DESCRIBED_NAMES,
        });
        if let Some(page) = page {
            parameters["nextToken"] = json!(page);
        }
        let request =
            self.ssm.describe_parameters().set_parameter_filters(filter.build().ok().map(|filter| vec![filter]));
        let request = request.max_results(DESCRIBED_NAMES).set_next_token(page.map(str::to_owned));
        let result =
            request.customize().interceptor(capture.clone()).send().await.map(|output| DescribeParametersPage {
                descriptions: output.parameters.into_iter().flatten().filter_map(description).collect(),
                next_token: output.next_token.filter(|token| !token.is_empty()),
            });
        self.call(DESCRIBE_PARAMETERS, parameters, &capture, result)
    }

    async fn get_parameters_by_path(
        &self,
        listing: &PathQuery,
        page: Option<&str>,
    ) -> Attempt<GetParametersByPathPage> {
        let capture = CallRecorder::default();
        let mut parameters = json!({
            "path": listing.path,
            "recursive": listing.recursive,
            "withDecryption": false,
            "maxResults": LISTED_NAMES,
        });
        let mut request = self.ssm.get_parameters_by_path().path(&listing.path).recursive(listing.recursive);
        request = request.with_decryption(false).max_results(LISTED_NAMES).set_next_token(page.map(str::to_owned));
        if let Some(label) = &listing.label {
            parameters["parameterFilters"] = json!([{"key": "Label", "option": "Equals", "values": [label]}]);
            let filter = ParameterStringFilter::builder().key("Label").option("Equals").values(label).build();
            request = request.set_parameter_filters(filter.ok().map(|filter| vec![filter]));
        }
        if let Some(page) = page {
            parameters["nextToken"] = json!(page);
        }
        let result =
            request.customize().interceptor(capture.clone()).send().await.map(|output| GetParametersByPathPage {
                parameters: output
                    .parameters
                    .into_iter()
                    .flatten()
                    .filter_map(|p| parameter(p, ReadMode::Version))
                    .collect(),
                next_token: output.next_token.filter(|token| !token.is_empty()),
            });
        self.call(GET_PARAMETERS_BY_PATH, parameters, &capture, result)
    }

    async fn decrypt(&self, ciphertext: Ciphertext<'_>) -> Attempt<Plaintext> {
        let Ciphertext { blob, key_id, context } = ciphertext;
        let capture = CallRecorder::default();
        let request = self.kms.decrypt().ciphertext_blob(Blob::new(blob)).set_key_id(key_id.map(str::to_owned));
        let pairs = context.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let request = request.set_encryption_context(Some(pairs).filter(|_| !context.is_empty()));
        let result = request.customize().interceptor(capture.clone()).send().await.map(|output| Plaintext {
            value: output.plaintext.map(Blob::into_inner).unwrap_or_default().into(),
            key: output.key_id,
        });
        let mut parameters = json!({"encryptionAlgorithm": "SYMMETRIC_DEFAULT"});
        if !context.is_empty() {
            parameters["encryptionContext"] = json!(context);
        }
        if let Some(key_id) = key_id {
            parameters["keyId"] = json!(key_id);
        }
        self.call(DECRYPT, parameters, &capture, result)
    }

    async fn describe_key(&self, key: &str) -> Attempt<KeyState> {
        let capture = CallRecorder::default();
        let request = self.kms.describe_key().key_id(key);
        let result = request.customize().interceptor(capture.clone()).send().await.map(|output| {
            let metadata = output.key_metadata;
            KeyState {
                arn: metadata.as_ref().and_then(|m| m.arn.clone()).unwrap_or_else(|| key.to_owned()),
                manager: metadata.as_ref().and_then(|m| Some(m.key_manager.as_ref()?.as_str().to_owned())),
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

    async fn get_caller_identity(&self) -> Attempt<Principal> {
        let capture = CallRecorder::default();
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
        capture: &CallRecorder,
        result: Result<T, SdkError<E, HttpResponse>>,
    ) -> Attempt<T>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let result = result.map_err(|error| convert(&error, capture));
        let call = capture.facts(operation, &self.region, request_parameters, result.as_ref().err());
        Attempt { call, result }
    }
}

fn description(metadata: ParameterMetadata) -> Option<ParameterDescription> {
    Some(ParameterDescription { arn: metadata.arn?, version: metadata.version, key_id: metadata.key_id })
}

/// Takes over what the reader needs; everything else of the answer (ciphertext that nobody asked for, `SourceResult`) is
/// dropped here.
fn parameter(parameter: SsmParameter, mode: ReadMode) -> Option<Parameter> {
    let source = parameter.source_result.map(Zeroizing::new);
    Some(Parameter {
        arn: parameter.arn?,
        name: parameter.name?,
        version: parameter.version,
        type_: parameter.r#type.map_or_else(|| "Unknown".to_owned(), |type_| type_.as_str().to_owned()),
        last_modified: parameter
            .last_modified_date
            .and_then(|date| date.to_millis().ok())
            .and_then(|millis| Timestamp::from_millisecond(millis).ok()),
        value: parameter.value.filter(|_| mode != ReadMode::Version).map(|value| Arc::new(value.into())),
        key: None,
        secret_version: source.and_then(|source| secret_version(&source)),
    })
}

/// The version of a secret in what Secrets Manager said of it: all that is taken from there, since the secret itself is
/// in there too.
fn secret_version(source: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Source {
        #[serde(rename = "versionId", alias = "VersionId")]
        version_id: String,
    }
    serde_json::from_str::<Source>(source).ok().map(|source| source.version_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_secret_nothing_but_the_version_is_taken() {
        let source = r#"{"ARN": "arn", "name": "db", "versionId": "v-1", "secretString": "s3cr3t"}"#;
        assert_eq!(secret_version(source).as_deref(), Some("v-1"));
        assert_eq!(secret_version("s3cr3t"), None);
        let answer = SsmParameter::builder().arn("arn").name("n").value("s3cr3t").source_result(source).build();
        let taken = parameter(answer, ReadMode::Decrypt).expect("a parameter");
        assert!(!format!("{taken:?}").contains("s3cr3t"), "{taken:?}");
    }
}
