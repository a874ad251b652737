//! Which keys encrypt the parameters that access rules grant for certain keys only.
//!
//! KMS names the key of what it decrypts itself. Of what Parameter Store decrypts, `DescribeParameters` names the key of the
//! newest version, as its writer named it: an alias may lead elsewhere by now, so it stands for itself.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::oneshot::Receiver;

use crate::domain::{
    Fault,
    access::{
        key_authority::{KeyFact, KeyFacts, UnknownKey},
        key_glob::Aliases,
    },
    audit::ObjectRef,
    aws_error::AwsErrorKind,
    parameter::{key::full_key_id, name::ParameterRef, revision::Metadata},
    schedule::decide::Purpose,
};
use crate::parameters::{
    batch::requests::ReadRequest,
    cache::{
        description_queue::Description,
        key_evidence::{Evidence, VersionStamp},
        observation::Observation,
    },
    port::{ParameterApi, ParameterDescription},
    quota::priority::Priority,
    reader::Reader,
};

/// A parameter whose key has to be known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyNeed<'a> {
    /// The parameter.
    pub(crate) parameter_ref: &'a ParameterRef,
    /// The version.
    pub(crate) version: NeededVersion<'a>,
    /// The key that KMS named when it decrypted this version.
    pub(crate) decrypted_with: Option<&'a Arc<str>>,
    /// Whether it matters by which alias the writer named the key.
    pub(crate) needs_alias: bool,
}

/// The version of a parameter whose key has to be known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NeededVersion<'a> {
    /// The one that a read is about to return.
    Newest,
    /// The one that was read or observed.
    Read(&'a Metadata),
}

/// What is known of a key without a call.
enum Known {
    /// Everything that can be.
    Fact(KeyFact),
    /// These ARNs; the alias, if there is one, is still to be asked for.
    Partly(Vec<Arc<str>>),
}

impl<A: ParameterApi> Reader<A> {
    /// Returns what is known of these keys, without a call. Of a key that is not known it returns nothing.
    pub(crate) fn known_keys(&self, needs: &[KeyNeed<'_>]) -> KeyFacts {
        let known = |need: &KeyNeed<'_>| match self.known_key(need) {
            Known::Fact(fact @ KeyFact::Known(_)) => Some((need.parameter_ref.clone(), fact)),
            Known::Fact(_) | Known::Partly(_) => None,
        };
        needs.iter().filter_map(known).collect()
    }

    /// Returns what is known of these keys. Asks AWS for what is not known yet.
    ///
    /// # Errors
    /// The failure of AWS, unless it merely denies the description.
    pub(crate) async fn key_facts(&self, needs: &[KeyNeed<'_>], object: &ObjectRef) -> Result<KeyFacts, Fault> {
        let (mut facts, mut asked) = (KeyFacts::new(), Vec::new());
        for need in needs {
            match self.known_key(need) {
                Known::Fact(fact) => drop(facts.insert(need.parameter_ref.clone(), fact)),
                Known::Partly(arns) => {
                    let description = self.informer.describe(need.parameter_ref.name(), object);
                    asked.push((need, arns, description));
                }
            }
        }
        for (need, arns, description) in asked {
            let fact = self.described_key(need, arns, description, object).await?;
            facts.insert(need.parameter_ref.clone(), fact);
        }
        Ok(facts)
    }

    /// Asks KMS where aliases lead at present.
    pub(crate) async fn resolve_aliases(&self, aliases: BTreeSet<String>, object: &ObjectRef) -> Aliases {
        let mut resolved = Aliases::new();
        for alias in aliases {
            let state = self.client.key_state(&alias, "", std::slice::from_ref(object)).await;
            resolved.extend(state.map(|state| (alias, state.arn)));
        }
        resolved
    }

    fn known_key(&self, need: &KeyNeed<'_>) -> Known {
        let parameter_ref = need.parameter_ref;
        if parameter_ref.is_reference() {
            return unknown(UnknownKey::Reference);
        }
        let observed = self.informer.observed(parameter_ref);
        let stamp = match need.version {
            NeededVersion::Read(metadata) if &*metadata.type_ != "SecureString" => {
                return unknown(UnknownKey::NotEncrypted);
            }
            NeededVersion::Read(metadata) => Some(VersionStamp::of(metadata)),
            NeededVersion::Newest => observed.as_ref().map(VersionStamp::of),
        };
        self.keep_decrypted(need);
        let evidence = self.informer.key_evidence(parameter_ref);
        let evidence = evidence.filter(|evidence| Some(evidence.stamp) == stamp);
        let (mut arns, is_described) = evidence.map(|known| (known.arns, known.is_described)).unwrap_or_default();
        arns.extend(need.decrypted_with.filter(|key| !arns.contains(key)).cloned());
        let is_asked_for = need.parameter_ref.selector.is_none() && self.scope().own_name(&parameter_ref.arn).is_some();
        let is_enough = is_described || !is_asked_for || !need.needs_alias;
        match arns.is_empty() {
            false if is_enough => Known::Fact(KeyFact::Known(arns)),
            true if is_described => unknown(UnknownKey::NotEncrypted),
            true if !is_asked_for && parameter_ref.selector.is_some() => unknown(UnknownKey::Selector),
            true if !is_asked_for => unknown(UnknownKey::OtherAccount),
            _ => Known::Partly(arns),
        }
    }

    /// Keeps the key that KMS named, so that an object that reads the same version later need not ask.
    fn keep_decrypted(&self, need: &KeyNeed<'_>) {
        if let (NeededVersion::Read(metadata), Some(key)) = (need.version, need.decrypted_with) {
            let evidence =
                Evidence { stamp: VersionStamp::of(metadata), arns: vec![Arc::clone(key)], is_described: false };
            self.informer.add_key_evidence(need.parameter_ref, evidence);
        }
    }

    async fn described_key(
        &self,
        need: &KeyNeed<'_>,
        mut arns: Vec<Arc<str>>,
        description: Receiver<Description>,
        object: &ObjectRef,
    ) -> Result<KeyFact, Fault> {
        let or_unknown =
            |arns: Vec<Arc<str>>, why| if arns.is_empty() { KeyFact::Unknown(why) } else { KeyFact::Known(arns) };
        // No answer comes if the reader is dropped. The object is reconciled again then.
        let Ok(answer) = description.await else { return Ok(or_unknown(arns, UnknownKey::Unsettled)) };
        let description = match answer {
            Ok(Some(description)) => description,
            Ok(None) => return Ok(self.undescribed(need, object).await.unwrap_or_else(|why| or_unknown(arns, why))),
            Err(error) if error.kind == AwsErrorKind::AccessDenied => {
                return Ok(or_unknown(arns, UnknownKey::MayNotDescribe));
            }
            Err(error) => {
                let names = [need.parameter_ref.to_string()];
                return Err(error.fault(Some(&self.principal().arn), &names, self.scope(), None));
            }
        };
        let stamp = VersionStamp::of_description(&description);
        let key = self.keep_described(need.parameter_ref, stamp, &description);
        if matches!(need.version, NeededVersion::Read(metadata) if VersionStamp::of(metadata) != stamp) {
            return Ok(or_unknown(arns, UnknownKey::Unsettled));
        }
        arns.extend(key.filter(|key| !arns.contains(key)));
        Ok(or_unknown(arns, UnknownKey::NotEncrypted))
    }

    fn keep_described(
        &self,
        parameter_ref: &ParameterRef,
        stamp: VersionStamp,
        description: &ParameterDescription,
    ) -> Option<Arc<str>> {
        let key: Option<Arc<str>> = description.key_id.as_ref().map(|id| full_key_id(id, self.scope()).into());
        let evidence = Evidence { stamp, arns: key.iter().cloned().collect(), is_described: true };
        self.informer.add_key_evidence(parameter_ref, evidence);
        if let Some(id) = &description.key_id {
            // So that it is not described once more for the status.
            self.informer.remember_key(parameter_ref, description.version, id);
        }
        key
    }

    /// What it means that AWS does not describe a parameter: that it does not exist, or that the description is withheld.
    async fn undescribed(&self, need: &KeyNeed<'_>, object: &ObjectRef) -> Result<KeyFact, UnknownKey> {
        if let NeededVersion::Read(_) = need.version {
            return Err(UnknownKey::NotDescribed);
        }
        let objects = vec![object.with_purpose(Purpose::VersionCheck)];
        let request = ReadRequest::version(need.parameter_ref.clone(), Priority::New, objects);
        let Ok(reply) = self.batcher.request(request).await else { return Err(UnknownKey::Unsettled) };
        let exists = matches!(&reply.result, Ok(Some(_)));
        self.informer.record(need.parameter_ref, Observation::of_reply(reply));
        // The read that follows reports any failure.
        if exists { Err(UnknownKey::NotDescribed) } else { Ok(KeyFact::Absent) }
    }
}

fn unknown(why: UnknownKey) -> Known {
    Known::Fact(KeyFact::Unknown(why))
}
