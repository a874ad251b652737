//! `suspend` and `resume`: stop reads and writes for objects, and let them go on.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{
    api::names::PLUGIN_MANAGER, commands::plugin::printed::Printed, domain::report::text::list,
    kubernetes::user_session::UserSession,
};

/// Suspends objects.
///
/// # Errors
/// Never: what fails is printed.
pub(super) async fn suspend(session: &UserSession, names: &[String]) -> Result<Printed, String> {
    set(session, names, true).await
}

/// Lets suspended objects go on.
///
/// # Errors
/// Never: what fails is printed.
pub(super) async fn resume(session: &UserSession, names: &[String]) -> Result<Printed, String> {
    set(session, names, false).await
}

async fn set(session: &UserSession, names: &[String], suspends: bool) -> Result<Printed, String> {
    let mut results = Vec::new();
    for name in names {
        results.push(set_one(session, name, suspends).await);
    }
    Ok(Printed::lines(results))
}

async fn set_one(session: &UserSession, name: &str, suspends: bool) -> Result<String, String> {
    let title = format!("SecureParameter {}/{name}", session.namespace());
    let object = session.object(name).await?;
    let (state, done) =
        if suspends { ("already suspended", "is suspended now") } else { ("not suspended", "has been resumed") };
    if object.spec.is_suspended() == suspends {
        return Ok(format!("{title} is {state}."));
    }
    let others = other_managers(&object.metadata);
    // Whoever states the field in a manifest goes on to own it; else it disappears as it came.
    let value = if suspends { Some(true) } else { (!others.is_empty()).then_some(false) };
    session.set_suspend(name, value).await?;
    if others.is_empty() {
        return Ok(format!("{title} {done}."));
    }
    Ok(format!(
        "{title} {done}. spec.suspend was set by {} before, which may set it back: if that is a GitOps tool, change \
         the field in its repository too, or let it ignore the field.",
        list(&others)
    ))
}

/// Returns who else owns `spec.suspend`.
fn other_managers(meta: &ObjectMeta) -> Vec<String> {
    let owns = |fields: &serde_json::Value| fields["f:spec"]["f:suspend"].is_object();
    let entries = meta.managed_fields.iter().flatten();
    let owners = entries.filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| owns(&fields.0)));
    let names = owners.filter_map(|entry| entry.manager.clone());
    names.filter(|manager| manager != PLUGIN_MANAGER).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn owners_of_the_field_are_found() {
        let entry = |manager: &str, fields| json!({"manager": manager, "fieldsType": "FieldsV1", "fieldsV1": fields});
        let suspend = json!({"f:spec": {"f:suspend": {}}});
        let meta = |entries| serde_json::from_value(json!({"managedFields": entries})).expect("metadata");
        let others: ObjectMeta = meta(json!([
            entry("flux", suspend.clone()),
            entry("kubectl", json!({"f:spec": {"f:data": {}}})),
            entry(PLUGIN_MANAGER, suspend),
        ]));
        assert_eq!(other_managers(&others), ["flux"]);
        assert_eq!(other_managers(&ObjectMeta::default()), [""; 0]);
    }
}
