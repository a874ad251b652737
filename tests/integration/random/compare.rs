//! Compares the real world with the model, and with itself.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::{ResourceExt, api::ListParams};
use secure_parameter_operator::api::{SecureParameter, names};
use serde_json::{Value, json};

use crate::support::{World, check_kstatus, ready};

use super::model::{Expected, Model, Object};

/// Everything that the operator makes of a world.
pub struct Made {
    objects: Vec<SecureParameter>,
    /// The Secrets with their data as text, by name.
    secrets: BTreeMap<String, (Secret, BTreeMap<String, String>)>,
}

impl Made {
    /// Reads it.
    pub async fn read(world: &World) -> Result<Self> {
        let everything = ListParams::default();
        let secrets = world.api::<Secret>().list(&everything).await?.items.into_iter();
        let secrets = secrets.map(|secret| (secret.name_any(), (secret.clone(), data(&secret))));
        Ok(Self { secrets: secrets.collect(), objects: world.api::<SecureParameter>().list(&everything).await?.items })
    }

    /// What lasts: of each Secret everything, of each object what its status says, but no time.
    pub fn lasting(&self) -> BTreeMap<String, Value> {
        let object = |object: &SecureParameter| {
            let status = object.status.clone().unwrap_or_default();
            let conditions = status.conditions.iter().map(|c| json!([c.type_, c.status, c.reason]));
            let text = json!({
                "conditions": conditions.collect::<Vec<_>>(),
                "parameters": status.parameters,
                "secret": status.secret,
                "observed": status.observed,
            });
            (format!("object {}", object.name_any()), text)
        };
        let secret = |(name, (secret, _)): (&String, &(Secret, _))| (format!("Secret {name}"), json!(secret));
        self.objects.iter().map(object).chain(self.secrets.iter().map(secret)).collect()
    }

    /// Everything that is not as the model says, in words.
    pub fn differences(&self, model: &Model) -> Vec<String> {
        let mut wrong = Vec::new();
        let found: BTreeSet<_> = self.objects.iter().map(ResourceExt::name_any).collect();
        let meant: BTreeSet<_> = model.objects.keys().cloned().collect();
        if found != meant {
            wrong.push(format!("there are objects {found:?} instead of {meant:?}"));
        }
        for object in &self.objects {
            let Some(meant) = model.objects.get(&object.name_any()) else { continue };
            let problems = match model.expected(meant) {
                Expected::Synced { data, parameters } => self.check_synced(object, meant, &data, &parameters),
                Expected::Failing(reasons) => {
                    let mut wrong = check_ready(object, "False", &reasons);
                    wrong.extend(self.check_kept(object, meant, model));
                    wrong
                }
                Expected::Suspended => {
                    let mut wrong = check_suspended(object);
                    wrong.extend(self.check_kept(object, meant, model));
                    wrong
                }
            };
            wrong.extend(problems.into_iter().map(|problem| format!("object {}: {problem}", object.name_any())));
        }
        let uids: BTreeSet<_> = self.objects.iter().filter_map(ResourceExt::uid).collect();
        for (name, (secret, _)) in &self.secrets {
            let owner = secret.labels().get(names::OWNER_UID_LABEL);
            if !owner.is_some_and(|owner| uids.contains(owner)) && !model.retained.contains(name) {
                wrong.push(format!("Secret {name} belongs to no object: {:?}", secret.metadata));
            }
        }
        wrong
    }

    fn check_synced(
        &self,
        object: &SecureParameter,
        meant: &Object,
        data: &BTreeMap<String, String>,
        parameters: &BTreeMap<String, i64>,
    ) -> Vec<String> {
        let mut wrong = check_ready(object, "True", &["Synced"].into());
        let status = object.status.clone().unwrap_or_default();
        let seen = status.parameters.iter().map(|parameter| {
            let name = parameter.arn.split_once(":parameter").map_or(parameter.arn.as_str(), |(_, name)| name);
            (name.to_owned(), parameter.version)
        });
        let seen: BTreeMap<_, _> = seen.collect();
        if seen != *parameters {
            wrong.push(format!("its status has parameters {seen:?} instead of {parameters:?}"));
        }
        // Found when the operator has nothing else to do.
        if status.parameters.iter().any(|parameter| parameter.key_arn.is_none()) {
            wrong.push("its status lacks keys of parameters".to_owned());
        }
        let named = status.secret.as_ref().map(|secret| &secret.name);
        if named != Some(&meant.target) {
            wrong.push(format!("its status has Secret {named:?} instead of {}", meant.target));
        }
        let owned = self.owned_by(object);
        if owned.len() != 1 || !owned.contains_key(meant.target.as_str()) {
            wrong.push(format!("it owns Secrets {:?} instead of {}", owned.keys(), meant.target));
        }
        if let Some((secret, held)) = owned.get(meant.target.as_str()) {
            if held != data {
                wrong.push(format!("Secret {} holds {held:?} instead of {data:?}", meant.target));
            }
            wrong.extend(check_metadata(object, secret));
            let owners: Vec<_> = secret.owner_references().iter().map(|owner| owner.uid.clone()).collect();
            let meant_owners: Vec<_> = object.uid().filter(|_| !meant.retains).into_iter().collect();
            if owners != meant_owners {
                wrong.push(format!("its Secret has owners {owners:?} instead of {meant_owners:?}"));
            }
        }
        wrong
    }

    /// An object that is not synced keeps at most the Secret that its status names, with values that once were true.
    fn check_kept(&self, object: &SecureParameter, meant: &Object, model: &Model) -> Vec<String> {
        let mut wrong = Vec::new();
        let owned = self.owned_by(object);
        let named = object.status.as_ref().and_then(|status| Some(status.secret.as_ref()?.name.clone()));
        if owned.keys().any(|name| named.as_deref() != Some(*name)) {
            wrong.push(format!("it owns Secrets {:?}, but its status has {named:?}", owned.keys()));
        }
        if !owned.is_empty() && !meant.could_sync {
            wrong.push(format!("it owns Secrets {:?}, although it could never be synced", owned.keys()));
        }
        for (secret, held) in owned.values() {
            let invented =
                held.iter().filter(|(key, value)| !model.values.get(*key).is_some_and(|all| all.contains(*value)));
            wrong.extend(invented.map(|(key, value)| format!("its Secret holds {key}={value}, which never was")));
            wrong.extend(check_metadata(object, secret));
        }
        wrong
    }

    fn owned_by(&self, object: &SecureParameter) -> BTreeMap<&str, &(Secret, BTreeMap<String, String>)> {
        let uid = object.uid();
        let owned =
            self.secrets.iter().filter(|(_, (secret, _))| secret.labels().get(names::OWNER_UID_LABEL) == uid.as_ref());
        owned.map(|(name, secret)| (name.as_str(), secret)).collect()
    }
}

/// Checks the Ready condition of the newest generation, and what goes with it.
fn check_ready(object: &SecureParameter, status: &str, reasons: &BTreeSet<&'static str>) -> Vec<String> {
    let Some(condition) = ready(object) else { return vec!["it has no Ready condition".to_owned()] };
    let mut wrong = Vec::new();
    if format!("{:?}", condition.status) != status || !reasons.contains(condition.reason.as_str()) {
        let seen = format!("{:?} {}: {}", condition.status, condition.reason, condition.message);
        wrong.push(format!("it is {seen} instead of {status} {reasons:?}"));
    }
    let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    wrong.extend(check_kstatus(conditions, object.metadata.generation).err().map(|error| error.to_string()));
    wrong
}

fn check_suspended(object: &SecureParameter) -> Vec<String> {
    let status = object.status.clone().unwrap_or_default();
    let mut wrong: Vec<_> = check_kstatus(&status.conditions, object.metadata.generation)
        .err()
        .map(|error| error.to_string())
        .into_iter()
        .collect();
    if !status.conditions.iter().any(|condition| condition.type_ == "Suspended") {
        wrong.push(format!("it is not suspended: {:?}", status.conditions));
    }
    wrong
}

/// Checks whose a Secret is, and that nothing else is on it.
fn check_metadata(object: &SecureParameter, secret: &Secret) -> Vec<String> {
    let uid = object.uid().unwrap_or_default();
    let seen = json!([secret.labels(), secret.annotations(), secret.type_]);
    let labels = json!({names::OWNER_UID_LABEL: uid, names::MANAGED_BY_LABEL: names::FIELD_MANAGER});
    let meant = json!([labels, {names::OWNER_ANNOTATION: object.name_any()}, "Opaque"]);
    if seen == meant { Vec::new() } else { vec![format!("its Secret has metadata {seen} instead of {meant}")] }
}

fn data(secret: &Secret) -> BTreeMap<String, String> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    secret.data.iter().flatten().map(|(key, value)| (key.clone(), text(&value.0))).collect()
}
