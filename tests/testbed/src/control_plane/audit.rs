//! The audit log of the API server: who wrote what, and when. Reads are not in it.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// A request to write that the API server has answered.
#[derive(Clone, Debug)]
pub struct Write {
    /// Who sent it.
    pub user: String,
    /// `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// Plural name of the kind, with the subresource if there is one: `pods/status`.
    pub resource: String,
    /// Namespace and name, separated by `/`. Either is empty if there is none.
    pub object: String,
    /// HTTP status of the answer.
    pub code: u16,
    /// When the request arrived.
    pub received_at: Timestamp,
}

/// Reads the audit log from where it stopped last.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    offset: u64,
}

/// Logs requests that write, once they are answered, without their bodies.
pub(super) fn policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "None"},
        ],
    })
}

impl AuditLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, offset: 0 }
    }

    /// Returns the writes that were answered since the last time, in the order of their answers. The API server logs a write
    /// about when it answers it, so the last answer may be missing for a moment.
    pub fn read(&mut self) -> Result<Vec<Write>> {
        let mut file = File::open(&self.path).with_context(|| self.path.display().to_string())?;
        file.seek(SeekFrom::Start(self.offset))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // The last line may not be complete yet.
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        self.offset += u64::try_from(complete)?;
        text[..complete].lines().map(|line| parse(line).with_context(|| line.to_owned())).collect()
    }
}

fn parse(line: &str) -> Result<Write> {
    let event: Value = serde_json::from_str(line)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let about = &event["objectRef"];
    let (resource, subresource) = (text(&about["resource"]), text(&about["subresource"]));
    Ok(Write {
        user: text(&event["user"]["username"]),
        verb: text(&event["verb"]),
        resource: if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") },
        object: format!("{}/{}", text(&about["namespace"]), text(&about["name"])),
        code: event["responseStatus"]["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or_default(),
        received_at: text(&event["requestReceivedTimestamp"]).parse()?,
    })
}
