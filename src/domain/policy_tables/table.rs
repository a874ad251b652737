//! Rows of the tables, and how they are checked.

use std::sync::Arc;

use crate::api::{
    AccessRule, DataEntry, DataFromEntry, Format, KmsDecrypt, NamespaceMatch, NamespacesFrom, Reason,
    SecureParameterSpec, ValueOptions,
};
use crate::domain::{
    access::{
        grant::Grant,
        key_authority::{KeyFact, KeyFacts},
        key_glob::Aliases,
        namespace::Namespace,
        read_authority::ReadAuthority,
    },
    parameter::{key::full_key_id, scope::Scope},
    plan::from_spec::plan_of,
    report::fault::Fault,
};

/// What an object asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ask {
    /// The newest version of a parameter.
    Read(&'static str),
    /// One version.
    Version(&'static str, i64),
    /// The version with a label.
    Label(&'static str, &'static str),
    /// The version before the newest.
    Previous(&'static str),
    /// The fields of a parameter.
    Fields(&'static str),
    /// Everything directly below a path.
    Below(&'static str),
    /// Everything below a path.
    Tree(&'static str),
    /// Everything below a path with a label.
    LabelledTree(&'static str, &'static str),
    /// A parameter that KMS decrypts once more, with this key or any.
    Decrypt(&'static str, Option<&'static str>),
    /// A parameter whose value is encrypted by a key with these names.
    Keyed(&'static str, &'static [&'static str]),
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may be read.
    Granted,
    /// No rule grants it.
    Denied,
    /// Parameter Store cannot have that, or not in this place.
    Invalid,
}

pub(super) use Answer::{Denied, Granted, Invalid};
pub(super) use Ask::{Below, Decrypt, Fields, Keyed, Label, LabelledTree, Previous, Read, Tree, Version};

/// A row: what it shows, the globs of the rule, what is asked for, the answer.
pub(super) type Row = (&'static str, &'static [&'static str], Ask, Answer);

pub(super) const NAMESPACE: &str = "shop";

fn scope() -> Scope {
    Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
}

pub(super) fn all() -> NamespaceMatch {
    NamespaceMatch { from: NamespacesFrom::All, ..NamespaceMatch::default() }
}

pub(super) fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// A rule for all namespaces.
pub(super) fn rule(globs: &[&str]) -> AccessRule {
    AccessRule { name: "rule".into(), namespaces: all(), parameters: texts(globs), ..AccessRule::default() }
}

pub(super) fn namespace(name: &str) -> Namespace {
    Namespace { name: name.to_owned(), ..Namespace::default() }
}

/// What came of the rows.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) rows: usize,
    pub(super) wrong: Vec<String>,
}

impl Tally {
    /// Checks rows of one rule for all namespaces.
    pub(super) fn check(&mut self, prefix: &str, reader: &str, rows: &[Row]) {
        for (what, globs, ask, expected) in rows {
            let what = format!("{what}, prefix {prefix:?}");
            self.check_rules(&what, &[rule(globs)], &namespace(reader), prefix, (*ask, *expected));
        }
    }

    /// Checks what rules answer.
    pub(super) fn check_rules(
        &mut self,
        what: &str,
        rules: &[AccessRule],
        reader: &Namespace,
        prefix: &str,
        (ask, expected): (Ask, Answer),
    ) {
        let answer = answer(rules, reader, prefix, ask);
        self.rows += 1;
        if answer != expected {
            let globs: Vec<_> =
                rules.iter().map(|rule| (&rule.parameters, &rule.kms_keys, &rule.kms_decrypt_keys)).collect();
            let reader = &reader.name;
            self.wrong.push(format!("{what}: {ask:?} by {reader} with {globs:?} is {answer:?}, not {expected:?}"));
        }
    }
}

/// What rules answer to an object of a namespace.
fn answer(rules: &[AccessRule], namespace: &Namespace, prefix: &str, ask: Ask) -> Answer {
    let (scope, grant) = (scope(), Grant::new(rules, namespace).expect("valid globs"));
    let store = "ClusterParameterStore default";
    let authority = ReadAuthority { scope: &scope, prefix, grant: Some(&grant), namespace: &namespace.name, store };
    let planned = plan_of(&spec(ask), &authority);
    let checked = planned.and_then(|plan| match ask {
        Keyed(_, names) => {
            let arns = || names.iter().map(|name| Arc::from(full_key_id(name, &scope))).collect();
            let reads = plan.reads().into_keys().filter(|name| authority.needs_key(name));
            let facts: KeyFacts = reads.map(|name| (name.clone(), KeyFact::Known(arns()))).collect();
            authority.check_keys(&facts, &aliases())
        }
        _ => Ok(()),
    });
    match checked {
        Ok(()) => Granted,
        Err(Fault { reason: Reason::PolicyDenied, .. }) => Denied,
        Err(Fault { reason: Reason::InvalidSpec, .. }) => Invalid,
        Err(fault) => unreachable!("{ask:?}: {fault:?}"),
    }
}

/// Where aliases lead.
fn aliases() -> Aliases {
    let key = |id: &str| full_key_id(id, &scope());
    [("alias/shop", key("0d9f")), ("alias/other", key("7777"))].map(|(alias, key)| (alias.to_owned(), key)).into()
}

fn spec(ask: Ask) -> SecureParameterSpec {
    let (data, data_from) = match ask {
        Read(name) | Keyed(name, _) => (Some((name, ValueOptions::default())), None),
        Version(name, version) => {
            (Some((name, ValueOptions { version: Some(version), ..ValueOptions::default() })), None)
        }
        Label(name, label) => {
            (Some((name, ValueOptions { label: Some(label.into()), ..ValueOptions::default() })), None)
        }
        Previous(name) => (Some((name, ValueOptions { previous: Some(true), ..ValueOptions::default() })), None),
        Decrypt(name, key) => {
            let kms_decrypt = KmsDecrypt { key_id: key.map(str::to_owned), ..KmsDecrypt::default() };
            (Some((name, ValueOptions { kms_decrypt: Some(kms_decrypt), ..ValueOptions::default() })), None)
        }
        Fields(name) => {
            let format = Some(Format::Json);
            (None, Some(DataFromEntry { parameter: Some(name.into()), format, ..DataFromEntry::default() }))
        }
        Below(path) => (None, Some(DataFromEntry { path: Some(path.into()), ..DataFromEntry::default() })),
        Tree(path) => (None, Some(tree(path, None))),
        LabelledTree(path, label) => (None, Some(tree(path, Some(label.to_owned())))),
    };
    let entry = |(parameter, value): (&str, ValueOptions)| DataEntry {
        key: "key".into(),
        parameter: parameter.into(),
        value: value.into(),
    };
    SecureParameterSpec {
        data: data.map(entry).into_iter().collect(),
        data_from: data_from.into_iter().collect(),
        ..SecureParameterSpec::default()
    }
}

fn tree(path: &str, label: Option<String>) -> DataFromEntry {
    let value = ValueOptions { label, ..ValueOptions::default() };
    DataFromEntry { path: Some(path.into()), recursive: Some(true), value, ..DataFromEntry::default() }
}
