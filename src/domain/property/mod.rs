//! What holds for whatever a spec or a value may be: random ones against models that are written apart from the code.

mod dotenv;
mod extract;
mod glob;
mod json;
mod listing;
mod mapping;
mod policy;
mod render;
mod template;

use crate::domain::parameter::{name::ParameterRef, scope::Scope};

/// Stands within values: no message may hold it.
const CANARY: &str = "S3CR3T";

fn scope() -> Scope {
    Scope { partition: "aws".into(), region: "eu-central-1".into(), account: "111122223333".into() }
}

fn parameter_ref(name: &str) -> ParameterRef {
    ParameterRef::new(name, None, &scope())
}
