//! Which KMS keys must have encrypted what an object reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::api::Reason;
use crate::domain::{
    access::{
        grant::GrantedRule,
        key_glob::{Aliases, KeyGlob},
        read_authority::ReadAuthority,
    },
    parameter::name::ParameterRef,
    report::{fault::Fault, text::list},
};

/// What is known of the key that encrypted one version of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyFact {
    /// ARNs of the key: its own, that of the alias that the writer named, or both. At least one.
    Known(Vec<Arc<str>>),
    /// The parameter does not exist, so there is nothing to refuse.
    Absent,
    /// The key is not known.
    Unknown(UnknownKey),
}

/// Why the key of a value is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UnknownKey {
    /// The value is not encrypted.
    NotEncrypted,
    /// The value is a secret of Secrets Manager.
    Reference,
    /// The parameter belongs to another account, which does not describe it.
    OtherAccount,
    /// The object reads a version or label, and AWS describes the newest version only.
    Selector,
    /// The identity of the store may not describe parameters.
    MayNotDescribe,
    /// AWS does not describe the parameter.
    NotDescribed,
    /// AWS describes another version than the one that was read. That passes.
    Unsettled,
}

impl UnknownKey {
    /// Reports whether a value that KMS decrypts directly names its key nevertheless.
    pub(crate) const fn is_known_to_kms(self) -> bool {
        matches!(self, Self::OtherAccount | Self::Selector | Self::MayNotDescribe | Self::NotDescribed)
    }

    /// Says why the key is not known, and what to do.
    const fn why(self) -> &'static str {
        match self {
            Self::NotEncrypted => "is not encrypted; write it as a SecureString with one of these keys",
            Self::Reference => {
                "is a secret of Secrets Manager, whose key Parameter Store does not name; grant it by a rule without kmsKeys"
            }
            Self::OtherAccount => {
                "belongs to another account, which does not name its key; set spec.decryption of the store to Direct, or \
                 grant it by a rule without kmsKeys"
            }
            Self::Selector => {
                "is read in a version or with a label, and AWS names the key of the newest version only; set \
                 spec.decryption of the store to Direct, or read the newest version"
            }
            Self::MayNotDescribe => {
                "has a key that cannot be known, because the identity of the store may not call ssm:DescribeParameters; \
                 allow that, or set spec.decryption of the store to Direct"
            }
            Self::NotDescribed => {
                "is not described by ssm:DescribeParameters, so its key is not known; let the identity of the store see it, \
                 or set spec.decryption of the store to Direct"
            }
            Self::Unsettled => "was described by AWS in another version than the one that was read; it is read again",
        }
    }
}

/// What is known of the keys of the parameters that need a certain one.
pub(crate) type KeyFacts = BTreeMap<ParameterRef, KeyFact>;

impl ReadAuthority<'_> {
    /// Reports whether the parameter may be read only if a certain key encrypts it.
    pub(crate) fn needs_key(&self, parameter_ref: &ParameterRef) -> bool {
        let Some(grant) = self.grant else { return false };
        grant.rules_for(&parameter_ref.arn, self.scope).all(|rule| rule.kms_keys.is_some())
    }

    /// Reports whether it matters by which alias the writer of a parameter named the key.
    pub(crate) fn needs_alias(&self, parameter_ref: &ParameterRef) -> bool {
        self.key_globs(parameter_ref).any(KeyGlob::is_on_aliases)
    }

    /// Returns the aliases of which it matters where they lead at present: those that could admit a key that no glob
    /// matches as it is named.
    pub(crate) fn undecided_aliases(&self, facts: &KeyFacts) -> BTreeSet<String> {
        let undecided = |(parameter_ref, fact): (&ParameterRef, &KeyFact)| match fact {
            KeyFact::Known(arns) if !self.admits(parameter_ref, arns, &Aliases::new()) => {
                let has_key = arns.iter().any(|arn| arn.contains(":key/"));
                let aliases = self.key_globs(parameter_ref).filter_map(KeyGlob::alias).filter(move |_| has_key);
                aliases.map(str::to_owned).collect()
            }
            KeyFact::Known(_) | KeyFact::Absent | KeyFact::Unknown(_) => Vec::new(),
        };
        facts.iter().flat_map(undecided).collect()
    }

    /// Checks that a granted key encrypts each of these parameters.
    ///
    /// # Errors
    /// `PolicyDenied` with the parameters that another key encrypts, or whose key is not known. `ServiceUnavailable` if AWS
    /// contradicts itself for the moment.
    pub(crate) fn check_keys(&self, facts: &KeyFacts, aliases: &Aliases) -> Result<(), Fault> {
        let mut refused: BTreeMap<&KeyFact, Vec<String>> = BTreeMap::new();
        for (parameter_ref, fact) in facts {
            let is_admitted = match fact {
                KeyFact::Known(arns) => self.admits(parameter_ref, arns, aliases),
                KeyFact::Absent => true,
                KeyFact::Unknown(_) => false,
            };
            if !is_admitted {
                refused.entry(fact).or_default().push(parameter_ref.to_string());
            }
        }
        // One cause at a time makes a sentence.
        refused.first_key_value().map_or(Ok(()), |(fact, names)| Err(self.refusal(fact, &list(names))))
    }

    fn refusal(&self, fact: &KeyFact, names: &str) -> Fault {
        let Self { namespace, store, .. } = self;
        let why = match fact {
            KeyFact::Unknown(UnknownKey::Unsettled) => {
                return Fault::new(Reason::ServiceUnavailable, format!("{names} {}.", UnknownKey::Unsettled.why()));
            }
            KeyFact::Unknown(why) => why.why().to_owned(),
            KeyFact::Known(arns) if arns.iter().any(|arn| arn.contains(":key/")) => format!(
                "is encrypted with KMS key {}; write it with a key that is granted, or add this key to kmsKeys",
                arns.iter().map(|arn| &**arn).collect::<Vec<_>>().join(", named as ")
            ),
            // Where the alias led when the value was written, nobody tells.
            KeyFact::Known(arns) => format!(
                "is encrypted with the KMS key that {} led to when it was written; write it with a key that is granted, or \
                 add this alias to kmsKeys",
                arns.iter().map(|arn| &**arn).collect::<Vec<_>>().join(", ")
            ),
            KeyFact::Absent => String::new(),
        };
        let message = format!(
            "Namespace {namespace} may read {names} only if one of the KMS keys that spec.access of {store} grants it \
             encrypts the value, but it {why}."
        );
        Fault::new(Reason::PolicyDenied, message)
    }

    /// Reports whether a rule grants the parameter with a key that is known by these ARNs.
    fn admits(&self, parameter_ref: &ParameterRef, arns: &[Arc<str>], aliases: &Aliases) -> bool {
        let is_granted = |glob: &KeyGlob| glob.is_match(arns, self.scope) || glob.leads_to(arns, aliases);
        let admits = |rule: &GrantedRule| rule.kms_keys.as_ref().is_none_or(|globs| globs.iter().any(is_granted));
        self.grant.is_none_or(|grant| grant.rules_for(&parameter_ref.arn, self.scope).any(admits))
    }

    fn key_globs<'g>(&'g self, parameter_ref: &'g ParameterRef) -> impl Iterator<Item = &'g KeyGlob> {
        let rules = self.grant.into_iter().flat_map(|grant| grant.rules_for(&parameter_ref.arn, self.scope));
        rules.filter_map(|rule| rule.kms_keys.as_ref()).flatten()
    }
}
