//! Which policies the identities behind some objects need.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    api::{DEFAULT_STORE, NAMESPACE_PLACEHOLDER, SecureParameter, StoreKind},
    domain::{
        access::{grant::Grant, namespace::Namespace, read_authority::ReadAuthority},
        iam::{
            documents::{Titled, documents},
            needs::Needs,
            session_policy::{SessionPolicy, session_policy},
            store::{Place, Store, StoreName},
        },
        parameter::scope::Scope,
        plan::{
            compiled::CompiledSpec,
            from_spec::plan,
            types::{Plan, Source},
        },
    },
};

/// Objects of a cluster or of manifests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    /// The SecureParameters.
    pub secure_parameters: Vec<SecureParameter>,
    /// The stores of both kinds.
    pub stores: Vec<Store>,
    /// The namespaces.
    pub namespaces: Vec<Namespace>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// Only objects of this namespace.
    pub namespace: Option<String>,
    /// Only stores with this name.
    pub store: Option<String>,
    /// Account and region where stores do not say them.
    pub place: Place,
    /// Issuer of the cluster's tokens.
    pub issuer: Option<String>,
    /// Whether policies are shortened by patterns that match more.
    pub compact: bool,
}

/// The policies of one identity.
#[derive(Clone, Debug)]
pub(crate) struct Advice {
    /// The store.
    pub store: StoreName,
    /// The namespace, if each has a role of its own.
    pub namespace: Option<String>,
    /// The place that the identity reads from.
    pub scope: Scope,
    /// The identity, in words.
    pub identity: String,
    /// The objects that it reads for, as `namespace/name`.
    pub objects: Vec<String>,
    /// What the policies do not say, as sentences.
    pub notes: Vec<String>,
    /// The policies.
    pub documents: Vec<Titled>,
}

/// What the objects of one identity need.
#[derive(Default)]
struct Group {
    needs: Needs,
    objects: Vec<String>,
    notes: Vec<String>,
    sessions: BTreeMap<String, SessionPolicy>,
}

/// Returns what each identity behind these objects needs.
pub(crate) fn advise(objects: &Objects, question: &Question) -> Vec<Advice> {
    let mut groups: BTreeMap<(StoreName, Option<String>), Group> = BTreeMap::new();
    let mut stores: BTreeMap<StoreName, Store> = BTreeMap::new();
    let namespaces: BTreeMap<_, _> = objects.namespaces.iter().map(|namespace| (&namespace.name, namespace)).collect();
    for object in &objects.secure_parameters {
        let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
        let name = store_of(object, namespace);
        let is_asked = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        if !is_asked(&question.namespace, namespace) || !is_asked(&question.store, &name.name) {
            continue;
        }
        let found = objects.stores.iter().find(|store| store.name == name);
        let store =
            stores.entry(name.clone()).or_insert_with(|| found.cloned().unwrap_or_else(|| Store::assumed(&name)));
        let has_own_role = store.identity.roles.iter().any(|role| role.role_arn.contains(NAMESPACE_PLACEHOLDER));
        let group = groups.entry((name.clone(), has_own_role.then(|| namespace.to_owned()))).or_default();
        if found.is_none() {
            let note = format!("{name} is not among the objects, so it is taken for one with the operator's identity.");
            group.notes.push(note);
        }
        let labelled = namespaces.get(&namespace.to_owned()).map(|namespace| (*namespace).clone());
        let labelled = labelled.unwrap_or_else(|| Namespace { name: namespace.to_owned(), ..Namespace::default() });
        group.add(object, store, &labelled, &store.scope(&question.place));
    }
    groups
        .into_iter()
        .filter_map(|((name, namespace), group)| {
            let store = stores.get(&name)?;
            Some(group.advice(store, namespace, question))
        })
        .collect()
}

fn store_of(object: &SecureParameter, namespace: &str) -> StoreName {
    let store = object.spec.store_ref.clone().unwrap_or_default();
    let kind = store.kind.unwrap_or_default();
    StoreName {
        kind,
        namespace: (kind == StoreKind::ParameterStore).then(|| namespace.to_owned()),
        name: store.name.unwrap_or_else(|| DEFAULT_STORE.to_owned()),
    }
}

impl Group {
    fn add(&mut self, object: &SecureParameter, store: &Store, namespace: &Namespace, scope: &Scope) {
        let object_name = format!("{}/{}", namespace.name, object.metadata.name.as_deref().unwrap_or_default());
        let grant = store.access.as_ref().map(|rules| Grant::new(rules, namespace)).transpose();
        let planned = grant.map_err(|problem| format!("{problem}.")).and_then(|grant| {
            if store.identity.is_limited
                && let Some(grant) = &grant
            {
                let policy = || session_policy(grant, scope, store.decryption);
                self.sessions.entry(namespace.name.clone()).or_insert_with(policy);
            }
            let authority = ReadAuthority {
                scope,
                prefix: &store.prefix,
                grant: grant.as_ref(),
                namespace: &namespace.name,
                store: &store.name.to_string(),
            };
            let plan = planned(object, &authority)?;
            let needs_key = |source: &Source| authority.needs_key(&source.parameter_ref);
            let are_keys_checked =
                plan.values().any(needs_key) || plan.has_paths() && grant.as_ref().is_some_and(Grant::checks_keys);
            Ok((plan, are_keys_checked))
        });
        match planned {
            Ok((plan, are_keys_checked)) => {
                if are_keys_checked {
                    self.needs.check_keys();
                }
                self.needs.add(&plan, object.status.as_deref(), scope);
                self.objects.push(object_name);
            }
            Err(problem) => self.notes.push(format!("SecureParameter {object_name} is left out: {problem}")),
        }
    }

    fn advice(self, store: &Store, namespace: Option<String>, question: &Question) -> Advice {
        let scope = store.scope(&question.place);
        let Self { needs, objects, mut notes, sessions } = self;
        let documents = if needs.is_empty() {
            Vec::new()
        } else {
            documents(&needs, store, namespace.as_deref(), &scope, question.issuer.as_deref(), question.compact)
        };
        let widened = sessions.iter().filter_map(|(namespace, policy)| Some((namespace, policy.widened.as_ref()?)));
        notes.extend(widened.map(|(namespace, sentence)| format!("Namespace {namespace}: {sentence}")));
        let limits = sessions.iter().map(|(namespace, policy)| Titled::session_policy(namespace, policy));
        let documents = documents.into_iter().chain(limits).collect();
        let notes: BTreeSet<_> = notes.into_iter().collect();
        Advice {
            store: store.name.clone(),
            identity: store.describe_identity(namespace.as_deref()),
            namespace,
            scope,
            objects,
            notes: notes.into_iter().collect(),
            documents,
        }
    }
}

fn planned(object: &SecureParameter, authority: &ReadAuthority<'_>) -> Result<Plan, String> {
    let compiled = CompiledSpec::new(&object.spec).map_err(|fault| fault.message)?;
    plan(&object.spec, &compiled, authority).map_err(|fault| fault.message)
}
