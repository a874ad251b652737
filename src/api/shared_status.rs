//! A status that several hold.

use std::{borrow::Cow, ops::Deref, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::api::status::SecureParameterStatus;

/// The status of a `SecureParameter`. The cache and what the operator remembers of the object share it. In JSON and in its
/// schema it is the status itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedStatus(pub Arc<SecureParameterStatus>);

impl SharedStatus {
    /// Returns the status, unless others hold it too.
    pub fn unshared(&mut self) -> Option<&mut SecureParameterStatus> {
        Arc::get_mut(&mut self.0)
    }
}

impl Deref for SharedStatus {
    type Target = SecureParameterStatus;

    fn deref(&self) -> &SecureParameterStatus {
        &self.0
    }
}

impl Serialize for SharedStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut status = SecureParameterStatus::deserialize(deserializer)?;
        status.shrink_to_fit();
        Ok(Self(Arc::new(status)))
    }
}

impl JsonSchema for SharedStatus {
    fn inline_schema() -> bool {
        SecureParameterStatus::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        SecureParameterStatus::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        SecureParameterStatus::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        SecureParameterStatus::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_holds_no_more_room_than_it_needs() {
        let condition = json!({"type": "Ready", "status": "True", "reason": "Synced", "message": "It is.",
                               "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let parameter = json!({"arn": "a", "version": 1, "type": "SecureString", "keys": ["KEY"]});
        let json = json!({"conditions": [condition], "parameters": [parameter]});
        let status: SharedStatus = serde_json::from_value(json.clone()).expect("a status");
        let (conditions, parameters) = (&status.conditions, &status.parameters);
        let room = [conditions.capacity(), parameters.capacity(), parameters[0].keys.capacity()];
        assert_eq!(room, [1, 1, 1], "there is a status for each object");
        assert_eq!(serde_json::to_value(&status).expect("JSON"), json);
    }
}
