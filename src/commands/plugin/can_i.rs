//! `can-i`: who may read what, by the access rules of the cluster stores.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::CanIArgs,
    commands::plugin::{
        printed::{Printed, print},
        store::Store,
        text::{columns, count},
    },
    domain::{
        access::{
            explain::{GrantingRule, StoreRules, Wanted},
            namespace::Namespace,
        },
        parameter::scope::Scope,
        report::text::{list, printable},
    },
    kubernetes::user_session::UserSession,
};

/// What was asked and found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// Whether some rule lets some of the namespaces read the parameter.
    allowed: bool,
    /// The rules that do.
    grants: Vec<Granted>,
    /// Why no store grants it, one sentence a store.
    refusals: Vec<String>,
    /// What else there is to know.
    notes: Vec<String>,
}

/// A rule that grants the parameter.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    store: String,
    parameter: String,
    rule: String,
    globs: Vec<String>,
    /// One of these keys must encrypt the value; any if there are none.
    kms_keys: Vec<String>,
    /// The namespaces.
    namespaces: Vec<String>,
    #[serde(skip)]
    is_for_all: bool,
}

/// Returns who may read a parameter.
///
/// # Errors
/// One sentence, if the rules cannot be read or the name is not one.
pub(super) async fn can_i(session: &UserSession, args: &CanIArgs) -> Result<Printed, String> {
    let wanted = Wanted::parse(&args.parameter)?;
    let Some(cluster_stores) = session.cluster_stores().await? else {
        return Err(
            "The access rules are in ClusterParameterStores, which this user may not read; ask for the role view \
                    for the whole cluster."
                .to_owned(),
        );
    };
    let stores: Vec<_> = cluster_stores.iter().map(Store::of_cluster).collect();
    let is_asked = |store: &&Store<'_>| args.store.as_ref().is_none_or(|name| name == store.name);
    let stores: Vec<_> = stores.iter().filter(is_asked).collect();
    if stores.is_empty() {
        return Err(
            "There is no such ClusterParameterStore, so no rule grants anything; create one, or correct --store."
                .to_owned(),
        );
    }
    let (namespaces, mut notes) = namespaces(session, args.list).await?;
    if !args.list && args.store.is_none() {
        let own = session.stores().await?;
        notes.extend(own.iter().filter_map(|store| store.metadata.name.as_ref()).map(|name| {
            format!("ParameterStore {name} of this namespace has no rules: AWS decides what its identity may read.")
        }));
    }
    let mut answer = answer(&stores, &wanted, &namespaces, args.list)?;
    answer.notes.extend(notes);
    let text = print(args.output, &answer, || answer.text(&args.parameter, args.list))?;
    Ok(Printed::new(text, answer.allowed))
}

/// Returns the namespaces that are meant, and what cannot be known of them.
async fn namespaces(session: &UserSession, all: bool) -> Result<(Vec<Namespace>, Vec<String>), String> {
    let of = |namespace: k8s_openapi::api::core::v1::Namespace| Namespace {
        name: namespace.metadata.name.unwrap_or_default(),
        labels: namespace.metadata.labels.unwrap_or_default(),
        is_hidden: false,
    };
    if all {
        let Some(namespaces) = session.namespaces().await? else {
            return Err("This user may not list namespaces; ask for the role view for the whole cluster, or name one \
                        with --namespace."
                .to_owned());
        };
        return Ok((namespaces.into_iter().map(of).collect(), Vec::new()));
    }
    let name = session.namespace();
    Ok(match session.find_namespace(name).await? {
        Some(namespace) => (vec![of(namespace)], Vec::new()),
        None => (
            vec![Namespace { name: name.to_owned(), is_hidden: true, ..Namespace::default() }],
            vec![format!(
                "Namespace {name} does not exist or this user may not read it, so rules that select namespaces by label are \
                 taken as not for it."
            )],
        ),
    })
}

fn answer(stores: &[&Store<'_>], wanted: &Wanted, namespaces: &[Namespace], is_list: bool) -> Result<Answer, String> {
    let (mut grants, mut refusals, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for store in stores {
        let title = store.title();
        let unknown = Scope { partition: "aws".to_owned(), region: String::new(), account: String::new() };
        let scope = store.scope();
        if scope.is_none() && matches!(wanted, Wanted::Parameter(name) if name.starts_with("arn:")) {
            notes.push(format!(
                "{title} has not reported its account and region yet, so this ARN is compared with globs on ARNs only."
            ));
        }
        let scope = scope.unwrap_or(unknown);
        let access = store.access.unwrap_or_default();
        let rules = StoreRules { store: &title, rules: access, prefix: store.prefix, scope: &scope };
        let found = granted(&rules, wanted, namespaces)?;
        if let ([namespace], true, false) = (namespaces, found.is_empty(), is_list) {
            refusals.extend(rules.refusal(wanted, namespace));
        }
        grants.extend(found);
    }
    if !grants.is_empty() {
        refusals.clear();
    }
    Ok(Answer { allowed: !grants.is_empty(), grants, refusals, notes })
}

/// Returns the rules of a store that grant what is wanted, each with the namespaces that it grants it to.
fn granted(rules: &StoreRules<'_>, wanted: &Wanted, namespaces: &[Namespace]) -> Result<Vec<Granted>, String> {
    let mut by_rule: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for namespace in namespaces {
        let granting = rules.granting(wanted, namespace);
        for rule in granting.map_err(|problem| format!("{} is not valid: {problem}.", rules.store))? {
            by_rule.entry(rule).or_default().push(namespace.name.clone());
        }
    }
    let of = |(rule, granted): (GrantingRule<'_>, Vec<String>)| Granted {
        store: rules.store.to_owned(),
        parameter: rules.full_name(wanted),
        rule: rule.name.to_owned(),
        globs: rule.globs.into_iter().map(str::to_owned).collect(),
        kms_keys: rule.kms_keys.to_vec(),
        is_for_all: namespaces.len() > 1 && granted.len() == namespaces.len(),
        namespaces: granted,
    };
    Ok(by_rule.into_iter().map(of).collect())
}

impl Answer {
    fn text(&self, parameter: &str, is_list: bool) -> String {
        let mut lines = Vec::new();
        if is_list && self.grants.is_empty() {
            lines.push(format!("No rule lets any namespace read {parameter}."));
        } else if !is_list {
            lines.push(if self.allowed { "yes" } else { "no" }.to_owned());
        }
        if !self.grants.is_empty() {
            let titles = ["NAMESPACES", "STORE", "PARAMETER", "RULE", "GLOBS", "KMS KEYS"].map(str::to_owned).to_vec();
            let rows: Vec<_> = [titles].into_iter().chain(self.grants.iter().map(Granted::row)).collect();
            lines.extend(columns(&rows));
        }
        lines.extend(self.refusals.iter().map(|refusal| printable(refusal)));
        lines.extend(self.notes.iter().map(|note| format!("Note: {}", printable(note))));
        lines.join("\n") + "\n"
    }
}

impl Granted {
    fn row(&self) -> Vec<String> {
        let namespaces = if self.is_for_all {
            format!("all {}", count(self.namespaces.len(), "namespace"))
        } else {
            list(&self.namespaces)
        };
        let keys = if self.kms_keys.is_empty() { "any".to_owned() } else { list(&self.kms_keys) };
        vec![namespaces, self.store.clone(), self.parameter.clone(), self.rule.clone(), list(&self.globs), keys]
    }
}
