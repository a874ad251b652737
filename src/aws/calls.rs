//! Makes the AWS calls, one attempt each.

use std::{error::Error, sync::Arc};

use aws_sdk_kms::types::KeyMetadata;
use aws_sdk_ssm::{
    error::{ProvideErrorMetadata, SdkError},
    types::{Parameter as SsmParameter, ParameterMetadata, ParameterStringFilter},
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::{Blob, DateTime};
use k8s_openapi::jiff::Timestamp;
use secrecy::zeroize::Zeroizing;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws::{call_recorder::CallRecorder, client::AwsApi, convert_error::convert, credentials::refusal::Refusal};
use crate::{
    domain::{
        audit::{Principal, to_rfc3339},
        aws_error::{AwsError, AwsErrorKind},
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
const DESCRIBE_PAGE_SIZE: i32 = 50;
/// Most results on a page of `GetParametersByPath` (Systems Manager API reference).
const PATH_PAGE_SIZE: i32 = 10;

impl ParameterApi for AwsApi {
    async fn get_parameters(&self, names: &[String], mode: ReadMode) -> Attempt<GetParametersResult> {
        let (recorder, decrypt) = (CallRecorder::default(), mode == ReadMode::Decrypt);
        let request = self.ssm.get_parameters().set_names(Some(names.to_vec())).with_decryption(decrypt);
        let result = request.customize().interceptor(recorder.clone()).send().await.map(|output| {
            let invalid = output.invalid_parameters.unwrap_or_default();
            Some(GetParametersResult { parameters: parameters(output.parameters, mode)?, invalid })
        });
        let parameters = json!({"names": names, "withDecryption": decrypt});
        self.complete_call(GET_PARAMETERS, parameters, &recorder, result)
    }

    async fn describe_parameters(&self, names: &[String], page: Option<&str>) -> Attempt<DescribeParametersPage> {
        let recorder = CallRecorder::default();
        let filter = ParameterStringFilter::builder().key("Name").option("Equals").set_values(Some(names.to_vec()));
        let mut parameters = json!({
            "parameterFilters": [{"key": "Name", "option": "Equals", "values": names}],
            "maxResults": DESCRIBE_PAGE_SIZE,
        });
        if let Some(page) = page {
            parameters["nextToken"] = json!(page);
        }
        let request =
            self.ssm.describe_parameters().set_parameter_filters(filter.build().ok().map(|filter| vec![filter]));
        let request = request.max_results(DESCRIBE_PAGE_SIZE).set_next_token(page.map(str::to_owned));
        let result =
            request.customize().interceptor(recorder.clone()).send().await.map(|output| DescribeParametersPage {
                descriptions: output.parameters.into_iter().flatten().filter_map(description).collect(),
                next_token: output.next_token.filter(|token| !token.is_empty()),
            });
        self.call(DESCRIBE_PARAMETERS, parameters, &recorder, result)
    }

    async fn get_parameters_by_path(
        &self,
        listing: &PathQuery,
        page: Option<&str>,
    ) -> Attempt<GetParametersByPathPage> {
        let recorder = CallRecorder::default();
        let mut parameters = json!({
            "path": listing.path,
            "recursive": listing.recursive,
            "withDecryption": false,
            "maxResults": PATH_PAGE_SIZE,
        });
        let mut request = self.ssm.get_parameters_by_path().path(&listing.path).recursive(listing.recursive);
        request = request.with_decryption(false).max_results(PATH_PAGE_SIZE).set_next_token(page.map(str::to_owned));
        if let Some(label) = &listing.label {
            parameters["parameterFilters"] = json!([{"key": "Label", "option": "Equals", "values": [label]}]);
            let filter = ParameterStringFilter::builder().key("Label").option("Equals").values(label).build();
            request = request.set_parameter_filters(filter.ok().map(|filter| vec![filter]));
        }
        if let Some(page) = page {
            parameters["nextToken"] = json!(page);
        }
        let result = request.customize().interceptor(recorder.clone()).send().await.map(|output| {
            let next_token = output.next_token.filter(|token| !token.is_empty());
            Some(GetParametersByPathPage {
                parameters: self::parameters(output.parameters, ReadMode::Version)?,
                next_token,
            })
        });
        self.complete_call(GET_PARAMETERS_BY_PATH, parameters, &recorder, result)
    }

    async fn decrypt(&self, ciphertext: Ciphertext<'_>) -> Attempt<Plaintext> {
        let Ciphertext { blob, key_id, context } = ciphertext;
        let recorder = CallRecorder::default();
        let request = self.kms.decrypt().ciphertext_blob(Blob::new(blob)).set_key_id(key_id.map(str::to_owned));
        let pairs = context.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let request = request.set_encryption_context(Some(pairs).filter(|_| !context.is_empty()));
        let result = request.customize().interceptor(recorder.clone()).send().await.map(|output| Plaintext {
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
        self.call(DECRYPT, parameters, &recorder, result)
    }

    async fn describe_key(&self, key: &str) -> Attempt<KeyState> {
        let recorder = CallRecorder::default();
        let request = self.kms.describe_key().key_id(key);
        let result = request.customize().interceptor(recorder.clone()).send().await;
        let result = result.map(|output| key_state(key, output.key_metadata.as_ref()));
        self.call(DESCRIBE_KEY, json!({"keyId": key}), &recorder, result)
    }

    async fn get_caller_identity(&self) -> Attempt<Principal> {
        let recorder = CallRecorder::default();
        let request = self.sts.get_caller_identity();
        let result = request.customize().interceptor(recorder.clone()).send().await.map(|output| Principal {
            arn: output.arn.unwrap_or_default(),
            account: output.account.unwrap_or_default(),
            user_id: output.user_id.unwrap_or_default(),
        });
        self.call(GET_CALLER_IDENTITY, Value::Null, &recorder, result)
    }

    async fn known_principal(&self) -> Result<Option<Principal>, AwsError> {
        self.credentials.load().await
    }

    fn region(&self) -> &str {
        &self.region
    }
}

impl AwsApi {
    /// Describes a call. A result of `None` stands for a response that lacks something: nothing of it is used, since what
    /// it lacks would seem to be absent.
    fn complete_call<T, E>(
        &self,
        operation: (&'static str, &'static str),
        request_parameters: Value,
        recorder: &CallRecorder,
        result: Result<Option<T>, SdkError<E, HttpResponse>>,
    ) -> Attempt<T>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let incomplete = || AwsError {
            kind: AwsErrorKind::ServiceUnavailable,
            code: None,
            message: "the response describes a parameter incompletely".to_owned(),
            request_id: recorder.request_id(),
        };
        let result = result.map_err(|error| self.replace_refused_credentials(convert(&error, recorder), recorder));
        let result = result.and_then(|parsed| parsed.ok_or_else(incomplete));
        let call = recorder.api_call(operation, &self.region, request_parameters, result.as_ref().err());
        Attempt { call, result }
    }

    /// Describes a call whose response cannot lack anything.
    fn call<T, E>(
        &self,
        operation: (&'static str, &'static str),
        request_parameters: Value,
        recorder: &CallRecorder,
        result: Result<T, SdkError<E, HttpResponse>>,
    ) -> Attempt<T>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.complete_call(operation, request_parameters, recorder, result.map(Some))
    }

    /// Has the next call load new credentials, if AWS refuses those of this one. A denial of a session that is replaced says
    /// nothing yet: it is about the session if others are not denied.
    fn replace_refused_credentials(&self, error: AwsError, recorder: &CallRecorder) -> AwsError {
        let Some(refusal) = Refusal::of(&error) else { return error };
        let refused = self.credentials.cache.as_ref().zip(recorder.access_key_id());
        let is_replaced = refused.is_some_and(|(cache, access_key_id)| cache.refused(&access_key_id, refusal));
        if is_replaced { AwsError { kind: AwsErrorKind::CredentialsInvalid, ..error } } else { error }
    }
}

fn key_state(key: &str, metadata: Option<&KeyMetadata>) -> KeyState {
    let deletion_date = metadata.and_then(|metadata| metadata.deletion_date.as_ref());
    KeyState {
        arn: metadata.and_then(|metadata| metadata.arn.clone()).unwrap_or_else(|| key.to_owned()),
        manager: metadata.and_then(|metadata| Some(metadata.key_manager.as_ref()?.as_str().to_owned())),
        state: metadata
            .and_then(|metadata| metadata.key_state.as_ref())
            .map_or("Unknown", |state| state.as_str())
            .to_owned(),
        deletion_date: deletion_date.and_then(|date| Timestamp::from_second(date.secs()).ok()).map(to_rfc3339),
    }
}

fn description(metadata: ParameterMetadata) -> Option<ParameterDescription> {
    Some(ParameterDescription {
        arn: metadata.arn?,
        version: metadata.version,
        last_modified: milliseconds(metadata.last_modified_date),
        key_id: metadata.key_id,
    })
}

fn milliseconds(date: Option<DateTime>) -> Option<Timestamp> {
    Timestamp::from_millisecond(date?.to_millis().ok()?).ok()
}

/// Converts the parameters of a response. `None` if one of them lacks its ARN, its name, or a value that was requested.
fn parameters(found: Option<Vec<SsmParameter>>, mode: ReadMode) -> Option<Vec<Parameter>> {
    let converted = found.into_iter().flatten().map(|found| parameter(found, mode));
    converted.map(|parameter| parameter.filter(|p| mode == ReadMode::Version || p.value.is_some())).collect()
}

/// Converts a parameter. Drops the value if only the version was requested, and `SourceResult`, which holds a secret.
fn parameter(parameter: SsmParameter, mode: ReadMode) -> Option<Parameter> {
    let source = parameter.source_result.map(Zeroizing::new);
    Some(Parameter {
        arn: parameter.arn?,
        name: parameter.name?,
        version: parameter.version,
        type_: parameter.r#type.map_or_else(|| "Unknown".to_owned(), |type_| type_.as_str().to_owned()),
        last_modified: milliseconds(parameter.last_modified_date),
        stored_size: parameter.value.as_ref().map_or(0, String::len),
        value: parameter.value.filter(|_| mode != ReadMode::Version).map(|value| Arc::new(value.into())),
        key: None,
        secret_version: source.and_then(|source| secret_version(&source)),
    })
}

/// Extracts the version from a response of Secrets Manager. Nothing else of it is kept, since it holds the secret.
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
    fn only_the_version_of_a_secret_is_kept() {
        let source = r#"{"ARN": "arn", "name": "db", "versionId": "v-1", "secretString": "s3cr3t"}"#;
        assert_eq!(secret_version(source).as_deref(), Some("v-1"));
        assert_eq!(secret_version("s3cr3t"), None);
        let response = SsmParameter::builder().arn("arn").name("n").value("s3cr3t").source_result(source).build();
        let converted = parameter(response, ReadMode::Decrypt).expect("a parameter");
        assert!(!format!("{converted:?}").contains("s3cr3t"), "{converted:?}");
    }
}
