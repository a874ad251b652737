//! The AWS calls of the in-memory Parameter Store.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use crate::domain::{
    audit::{ApiCall, Principal},
    aws_error::{AwsError, AwsErrorKind},
    parameter::{key::KeyState, path_query::PathQuery},
};
use crate::parameters::{
    port::{
        Attempt, Ciphertext, DescribeParametersPage, GetParametersByPathPage, GetParametersResult, ParameterApi,
        ParameterDescription, Plaintext, ReadMode,
    },
    testing::{
        fake_store::{Answer, FakeStore, KMS_PREFIX},
        names::{ACCOUNT, KEY, PRINCIPAL, REGION, name_without_selector, parameter_ref},
    },
};

impl ParameterApi for FakeStore {
    async fn get_parameters(&self, names: &[String], mode: ReadMode) -> Attempt<GetParametersResult> {
        assert!((1..=10).contains(&names.len()), "a call for {} names", names.len());
        let parameters: BTreeSet<_> = names.iter().map(|name| name_without_selector(name)).collect();
        assert_eq!(parameters.len(), names.len(), "a parameter twice in one call: {names:?}");
        let decrypt = mode == ReadMode::Decrypt;
        assert!(parameters.is_disjoint(&self.state().panicking), "a bug");
        let failure = {
            let mut state = self.state();
            let (index, is_throttled) = state.log(names, decrypt);
            let failure = state.failure(names, decrypt, is_throttled);
            state.calls[index].failed = failure.is_some();
            failure
        };
        let latency = self.state().latency;
        sleep(latency).await;
        if let Some(error) = failure {
            return Attempt { call: call(Some(error.clone())), result: Err(error) };
        }
        let mut result = GetParametersResult::default();
        // In the service's own order, which is not that of the request.
        for name in names.iter().collect::<BTreeSet<_>>().into_iter().rev() {
            match self.state().answer(name, mode) {
                Answer::Found(parameter) => result.parameters.push(parameter),
                Answer::Absent => result.invalid.push(name.clone()),
                Answer::LeftOut => {}
            }
        }
        Attempt { call: call(None), result: Ok(result) }
    }

    async fn describe_parameters(&self, names: &[String], _: Option<&str>) -> Attempt<DescribeParametersPage> {
        let mut state = self.state();
        state.descriptions.push(names.to_vec());
        if state.may_not_describe {
            let (kind, message) = (AwsErrorKind::AccessDenied, "ssm:DescribeParameters".into());
            let error = AwsError { kind, code: Some("AccessDeniedException".into()), message, request_id: None };
            return Attempt { call: call(Some(error.clone())), result: Err(error) };
        }
        let found = names.iter().filter_map(|name| state.find(name, ReadMode::Version)).collect::<Vec<_>>();
        let found = found.into_iter().map(|p| ParameterDescription {
            arn: p.arn,
            version: p.version,
            last_modified: p.last_modified,
            key_id: Some(KEY.into()),
        });
        Attempt {
            call: call(None),
            result: Ok(DescribeParametersPage { descriptions: found.collect(), next_token: None }),
        }
    }

    async fn get_parameters_by_path(
        &self,
        query: &PathQuery,
        next_token: Option<&str>,
    ) -> Attempt<GetParametersByPathPage> {
        self.state().listed.push(query.path.clone());
        let latency = self.state().latency;
        sleep(latency).await;
        let mut state = self.state();
        if let Some(error) = state.failure(std::slice::from_ref(&query.path), false, false) {
            return Attempt { call: call(Some(error.clone())), result: Err(error) };
        }
        let below: Vec<_> = state.versions.keys().filter(|name| query.relative(name).is_some()).cloned().collect();
        let begin: usize = next_token.map_or(0, |token| token.parse().expect("a token of this store"));
        let with_label = |name: &String| query.label.iter().fold(name.clone(), |name, label| format!("{name}:{label}"));
        let names: Vec<_> = below.iter().skip(begin).take(10).map(with_label).collect();
        let found = names.iter().filter_map(|name| state.find(name, ReadMode::Version)).collect();
        let next = (begin + 10 < below.len()).then(|| (begin + 10).to_string());
        Attempt { call: call(None), result: Ok(GetParametersByPathPage { parameters: found, next_token: next }) }
    }

    async fn decrypt(&self, ciphertext: Ciphertext<'_>) -> Attempt<Plaintext> {
        let latency = self.state().kms_latency;
        sleep(latency).await;
        let text = std::str::from_utf8(ciphertext.blob).expect("text").trim_start_matches(KMS_PREFIX).to_owned();
        let name = text.split('#').next().unwrap_or_default().to_owned();
        assert_eq!(
            ciphertext.context.get("PARAMETER_ARN").map(String::as_str),
            Some(&*parameter_ref(&name).arn),
            "bound to its parameter"
        );
        let mut state = self.state();
        state.decrypted.push(name.clone());
        let error = |kind, message: String| AwsError { kind, code: Some("Code".into()), message, request_id: None };
        let failure = if state.bad_keys.contains(&name) {
            Some(error(AwsErrorKind::KeyUnavailable, format!("{KEY} is disabled.")))
        } else if state.managed_keys.contains(&name) {
            Some(error(
                AwsErrorKind::DecryptDenied,
                format!("not authorized to perform: kms:Decrypt on resource: {KEY}"),
            ))
        } else {
            None
        };
        if let Some(error) = failure {
            return Attempt { call: call(Some(error.clone())), result: Err(error) };
        }
        let plaintext = Plaintext { value: text.into_bytes().into(), key: Some(KEY.into()) };
        Attempt { call: call(None), result: Ok(plaintext) }
    }

    async fn describe_key(&self, key: &str) -> Attempt<KeyState> {
        let mut state = self.state();
        state.described += 1;
        let manager = if state.managed_keys.is_empty() { "CUSTOMER" } else { "AWS" };
        let described = KeyState {
            arn: key.to_owned(),
            manager: Some(manager.into()),
            state: state.described_as.unwrap_or("Enabled").into(),
            deletion_date: None,
        };
        Attempt { call: call(None), result: Ok(described) }
    }

    async fn get_caller_identity(&self) -> Attempt<Principal> {
        let principal = Principal { arn: PRINCIPAL.into(), account: ACCOUNT.into(), user_id: "AROA:test".into() };
        Attempt { call: call(None), result: Ok(principal) }
    }

    fn region(&self) -> &'static str {
        REGION
    }
}

fn call(error: Option<AwsError>) -> ApiCall {
    ApiCall {
        event_source: "ssm.amazonaws.com",
        event_name: "GetParameters",
        region: REGION.into(),
        request_parameters: Value::Null,
        resources: Vec::new(),
        request_id: Some("request".into()),
        event_time: Timestamp::UNIX_EPOCH,
        answered: true,
        user_agent: None,
        access_key_id: None,
        duration: None,
        error,
        session: None,
    }
}
