//! Filters of the paged operations.

use serde::Deserialize;

use super::parameter::Parameter;
use crate::fake_aws::error::{AwsError, Outcome};

/// `ParameterStringFilter` of the API.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    pub key: String,
    #[serde(default)]
    pub option: Option<String>,
    #[serde(default)]
    pub values: Vec<String>,
}

impl Filter {
    /// Reports whether it matches whole names.
    pub(super) fn is_on_names(&self) -> bool {
        self.key == "Name" && !matches!(self.option.as_deref(), Some("BeginsWith" | "Contains"))
    }
}

/// Keys of `DescribeParameters`.
pub(super) const OF_METADATA: &[&str] = &["Name", "Type", "KeyId", "Path", "Tier", "DataType"];
/// Keys of `GetParametersByPath`.
pub(super) const OF_PATHS: &[&str] = &["Type", "KeyId", "Label"];

/// Refuses keys that the operation does not support, and label filters with another option than Equals.
pub(super) fn check(filters: &[Filter], known: &[&str]) -> Outcome<()> {
    let partial = |filter: &&Filter| filter.key == "Label" && filter.option.as_deref().is_some_and(|o| o != "Equals");
    if let Some(option) = filters.iter().find(partial).and_then(|filter| filter.option.as_deref()) {
        let message = format!("The following filter option is not valid: {option}. Valid options include: [Equals].");
        return Err(AwsError::new("InvalidFilterOption", message));
    }
    match filters.iter().find(|filter| !known.contains(&filter.key.as_str())) {
        Some(filter) => {
            let message = format!("The following filter key is not valid: {}.", filter.key);
            Err(AwsError::new("InvalidFilterKey", message))
        }
        None => Ok(()),
    }
}

/// Reports whether a parameter matches all filters.
pub(super) fn passes(parameter: &Parameter, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| filter.values.iter().any(|value| passes_value(parameter, filter, value)))
}

fn passes_value(parameter: &Parameter, filter: &Filter, value: &String) -> bool {
    let latest = parameter.latest();
    let option = filter.option.as_deref();
    let compare = |field: &str, value: &str| match option {
        Some("BeginsWith") => field.starts_with(value),
        Some("Contains") => field.contains(value),
        _ => field == value,
    };
    let rootless = |name: &str| name.strip_prefix('/').unwrap_or(name).to_owned();
    match filter.key.as_str() {
        "Name" if option == Some("Contains") => parameter.name.contains(value),
        "Name" => compare(&rootless(&parameter.name), &rootless(value)),
        "Type" => compare(latest.kind.name(), value),
        "KeyId" => latest.key_id.as_deref().is_some_and(|key_id| compare(key_id, value)),
        "Tier" => serde_json::to_value(latest.tier).is_ok_and(|tier| tier == *value),
        "DataType" => compare(&latest.data_type, value),
        "Label" => parameter.labelled(std::slice::from_ref(value)).is_some(),
        "Path" => {
            let base = format!("{}/", value.trim_end_matches('/'));
            let rest = parameter.name.strip_prefix(&base);
            rest.is_some_and(|rest| option == Some("Recursive") || !rest.contains('/'))
        }
        _ => false,
    }
}
