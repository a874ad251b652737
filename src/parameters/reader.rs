//! Reads the parameters of one object: ten to a call, within the quota, every call audited.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

use super::{
    error::{self, ReadError},
    port::{Answer, Call, Parameter, ParameterApi},
    quota::{Quotas, TokenBucket},
};
use crate::domain::{
    Fault,
    audit::{AuditRecord, ObjectRef, ParameterOutcome, Principal, Resource, Trail},
    aws_error::{AwsError, AwsErrorKind, KeyState, key_arn},
    decide::Purpose,
    event::Access,
    parameter::{Scope, Wanted},
    render::Values,
    revision::{Metadata, Versions},
};

/// Most names that one `GetParameters` takes (Systems Manager API reference).
const NAMES_PER_CALL: usize = 10;

/// Reads Parameter Store as one identity in one region.
pub struct Reader<A> {
    api: A,
    scope: Scope,
    principal: Principal,
    bucket: Arc<TokenBucket>,
    trail: Arc<dyn Trail>,
}

/// What came of reading an object's parameters.
#[derive(Debug, Default)]
pub struct Reading {
    /// What exists, and what does not.
    pub versions: Versions,
    /// Values, if they were asked for.
    pub values: Values,
    /// What could not be read. Missing optional parameters are in `versions` as absent, not here.
    pub errors: BTreeMap<Wanted, ReadError>,
    /// The AWS calls that were made.
    pub accesses: Vec<Access>,
}

impl<A: ParameterApi> Reader<A> {
    /// Opens a reader: asks STS who the caller is, which also proves that the credentials work.
    ///
    /// # Errors
    /// What STS or the way there said.
    pub async fn open(api: A, quotas: &Quotas, trail: Arc<dyn Trail>, object: &ObjectRef) -> Result<Self, AwsError> {
        let principal = identify(&api, &*trail, object).await?;
        let scope = Scope {
            partition: principal.arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            region: api.region().to_owned(),
            account: principal.account.clone(),
        };
        let bucket = quotas.bucket(&scope.account, &scope.region);
        Ok(Self { api, scope, principal, bucket, trail })
    }

    /// Asks again who the caller is: whether its credentials still stand.
    ///
    /// # Errors
    /// What STS or the way there said.
    pub async fn verify(&self, object: &ObjectRef) -> Result<(), AwsError> {
        identify(&self.api, &*self.trail, object).await.map(drop)
    }

    /// Where plain names belong.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Who reads.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Looks at the versions of `reads` (with whether each is optional), without decryption.
    pub async fn probe(&self, reads: &BTreeMap<&Wanted, bool>, object: &ObjectRef) -> Reading {
        self.get(reads, false, &object.because(Purpose::VersionCheck)).await
    }

    /// Reads and decrypts `reads` (with whether each is optional).
    pub async fn read(&self, reads: &BTreeMap<&Wanted, bool>, purpose: Purpose, object: &ObjectRef) -> Reading {
        self.get(reads, true, &object.because(purpose)).await
    }

    /// The errors of a reading as one fault of its object.
    pub fn fault(&self, reading: &Reading) -> Option<Fault> {
        error::fault(&reading.errors, &self.principal.arn, &self.scope)
    }

    async fn get(&self, reads: &BTreeMap<&Wanted, bool>, decrypt: bool, object: &ObjectRef) -> Reading {
        let mut reading = Reading::default();
        let mut missing = Vec::new();
        for chunk in chunks(reads.keys().copied()) {
            match self.get_chunk(&chunk, decrypt, object, &mut reading).await {
                Ok(not_found) => missing.extend(not_found),
                // The rest would most likely fail the same way, and each try costs quota that others could use.
                Err(error) => {
                    let unread = reads.keys().filter(|w| !reading.versions.contains_key(w) && !missing.contains(*w));
                    let errors: Vec<_> = unread.map(|wanted| ((**wanted).clone(), error.clone())).collect();
                    reading.errors.extend(errors);
                    break;
                }
            }
        }
        self.sort_missing(reads, missing, object, &mut reading).await;
        reading
    }

    /// Tells parameters that do not exist from those that lack a version or label, which `GetParameters` reports
    /// alike: asks for the base names, without decryption, so that no other IAM action is needed.
    async fn sort_missing(
        &self,
        reads: &BTreeMap<&Wanted, bool>,
        missing: Vec<Wanted>,
        object: &ObjectRef,
        reading: &mut Reading,
    ) {
        let is_optional = |wanted: &Wanted| reads.get(wanted).copied().unwrap_or_default();
        let unclear: Vec<_> = missing
            .iter()
            .filter(|wanted| wanted.selector.is_some() && !is_optional(wanted))
            .map(|wanted| Wanted { selector: None, ..wanted.clone() })
            .collect();
        let mut base = Reading::default();
        for chunk in chunks(unclear.iter()) {
            let object = object.because(Purpose::VersionCheck);
            if self.get_chunk(&chunk, false, &object, &mut base).await.is_err() {
                break;
            }
        }
        for wanted in missing {
            if is_optional(&wanted) {
                reading.versions.insert(wanted, None);
                continue;
            }
            let exists = base.versions.contains_key(&Wanted { selector: None, ..wanted.clone() });
            let error = if exists { ReadError::VersionNotFound } else { ReadError::NotFound };
            reading.errors.insert(wanted, error);
        }
        reading.accesses.extend(base.accesses);
    }

    /// One `GetParameters`. Answers with what is missing.
    async fn get_chunk(
        &self,
        chunk: &[&Wanted],
        decrypt: bool,
        object: &ObjectRef,
        reading: &mut Reading,
    ) -> Result<Vec<Wanted>, ReadError> {
        let names: Vec<_> = chunk.iter().map(|wanted| wanted.request_name()).collect();
        self.bucket.acquire().await;
        let Call { mut facts, result } = self.api.get_parameters(&names, decrypt).await;
        facts.resources = chunk.iter().map(|wanted| Resource::parameter(&wanted.arn)).collect();
        let result = result.map(|answer| match_answer(chunk, answer));
        let outcomes = match &result {
            Ok(matched) => matched.iter().map(|(wanted, found)| outcome(wanted, found.as_ref(), decrypt)).collect(),
            Err(_) => chunk.iter().map(|wanted| failed(wanted)).collect::<Vec<_>>(),
        };
        let failed = outcomes.iter().any(|outcome| matches!(outcome.outcome, "Failed" | "NotFound"));
        let audit_id = new_id();
        let record =
            AuditRecord::new(audit_id.clone(), &facts, Some(&self.principal), outcomes.clone(), vec![object.clone()]);
        self.trail.call(&record);
        reading.accesses.push(Access {
            event_name: facts.event_name,
            request_id: facts.request_id.clone(),
            audit_id,
            time: facts.event_time,
            decrypting: decrypt,
            parameters: outcomes,
            failed,
        });
        match result {
            Ok(matched) => Ok(reading.keep(matched)),
            Err(error) => {
                let key = self.key_in_the_way(&error, object).await;
                Err(ReadError::Call { error: Arc::new(error), key })
            }
        }
    }

    /// Asks KMS about the key that a failed call names, for the message; no answer is no harm.
    async fn key_in_the_way(&self, error: &AwsError, object: &ObjectRef) -> Option<KeyState> {
        if error.kind != AwsErrorKind::KeyUnavailable {
            return None;
        }
        let arn = key_arn(&error.message)?;
        let Call { mut facts, result } = self.api.describe_key(arn).await;
        facts.resources = vec![Resource::key(arn)];
        let object = object.because(Purpose::KeyState);
        self.trail.call(&AuditRecord::new(new_id(), &facts, Some(&self.principal), Vec::new(), vec![object]));
        result.ok()
    }
}

async fn identify(api: &impl ParameterApi, trail: &dyn Trail, object: &ObjectRef) -> Result<Principal, AwsError> {
    let Call { facts, result } = api.get_caller_identity().await;
    let object = object.because(Purpose::Identity);
    trail.call(&AuditRecord::new(new_id(), &facts, result.as_ref().ok(), Vec::new(), vec![object]));
    result
}

/// Splits names into calls: at most ten each, and never two selections of one parameter in one call, since answers
/// carry the base name only.
fn chunks<'a>(wanted: impl Iterator<Item = &'a Wanted>) -> Vec<Vec<&'a Wanted>> {
    let mut chunks: Vec<Vec<&Wanted>> = Vec::new();
    for wanted in wanted {
        let fits = |chunk: &&mut Vec<&Wanted>| {
            chunk.len() < NAMES_PER_CALL && chunk.iter().all(|other| other.arn != wanted.arn)
        };
        match chunks.iter_mut().find(fits) {
            Some(chunk) => chunk.push(wanted),
            None => chunks.push(vec![wanted]),
        }
    }
    chunks
}

/// Per asked name what was found. Answers come in the service's order, so the match is by ARN, or by name where the ARN
/// is of another service (`/aws/reference/secretsmanager/...`).
fn match_answer<'a>(chunk: &[&'a Wanted], mut answer: Answer) -> Vec<(&'a Wanted, Option<Parameter>)> {
    let mut take = |wanted: &Wanted| {
        let by_arn = answer.found.iter().position(|parameter| parameter.arn == wanted.arn);
        let position = by_arn.or_else(|| answer.found.iter().position(|parameter| parameter.name == wanted.name));
        position.map(|position| answer.found.swap_remove(position))
    };
    chunk.iter().map(|wanted| (*wanted, take(wanted))).collect()
}

impl Reading {
    /// Takes what was found, and answers with what was not.
    fn keep(&mut self, matched: Vec<(&Wanted, Option<Parameter>)>) -> Vec<Wanted> {
        let mut missing = Vec::new();
        for (wanted, found) in matched {
            let Some(Parameter { arn, version, type_, last_modified, value, name: _ }) = found else {
                missing.push(wanted.clone());
                continue;
            };
            self.versions.insert(wanted.clone(), Some(Metadata { arn, version, last_modified, type_ }));
            self.values.extend(value.map(|value| (wanted.clone(), value)));
        }
        missing
    }
}

fn outcome(wanted: &Wanted, found: Option<&Parameter>, decrypt: bool) -> ParameterOutcome {
    let Some(found) = found else {
        return ParameterOutcome { outcome: "NotFound", ..failed(wanted) };
    };
    ParameterOutcome {
        version: Some(found.version),
        type_: Some(found.type_.clone()),
        outcome: if decrypt && found.type_ == "SecureString" { "Decrypted" } else { "Read" },
        ..failed(wanted)
    }
}

fn failed(wanted: &Wanted) -> ParameterOutcome {
    ParameterOutcome {
        arn: wanted.arn.clone(),
        selector: wanted.selector.as_ref().map(ToString::to_string),
        version: None,
        type_: None,
        outcome: "Failed",
    }
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}
