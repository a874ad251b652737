//! What does the Secret hold? Values become its data.

pub mod content;
pub mod dotenv;
pub mod fields;
pub mod json;
pub mod json_path;
pub mod key_name;
pub mod render;
pub mod secret_type;
pub mod template;
mod template_environment;
pub mod value_part;
