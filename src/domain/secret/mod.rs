//! What does the Secret hold? Values become its data.

pub(crate) mod base64;
pub(crate) mod content;
pub(crate) mod dotenv;
pub(crate) mod fields;
pub(crate) mod json;
mod json_document;
pub(crate) mod json_path;
mod json_value;
pub(crate) mod key_name;
pub(crate) mod render;
pub(crate) mod secret_type;
pub(crate) mod template;
mod template_environment;
pub(crate) mod value_part;
