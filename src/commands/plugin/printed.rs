//! What commands print.

use serde::Serialize;

use crate::{cli::Output, domain::report::text::printable};

/// What a command prints, and whether all is well.
#[derive(Debug)]
pub struct Printed {
    /// The output.
    pub text: String,
    /// What failed, a sentence a line.
    pub errors: String,
    /// Whether the exit status is that of success.
    pub is_ok: bool,
}

impl Printed {
    /// Creates the output of a command that failed in nothing.
    pub(super) fn new(text: String, is_ok: bool) -> Self {
        Self { text, errors: String::new(), is_ok }
    }

    /// Prints what came of several objects.
    pub(super) fn lines(results: impl IntoIterator<Item = Result<String, String>>) -> Self {
        let mut printed = Self::new(String::new(), true);
        for result in results {
            let text = if result.is_ok() { &mut printed.text } else { &mut printed.errors };
            printed.is_ok &= result.is_ok();
            *text += &printable(&result.unwrap_or_else(|error| error));
            text.push('\n');
        }
        printed
    }
}

/// Prints values as text or JSON.
pub(super) fn print<T: Serialize>(output: Output, values: &T, text: impl FnOnce() -> String) -> Result<String, String> {
    match output {
        Output::Text => Ok(text()),
        Output::Json => serde_json::to_string_pretty(values)
            .map(|json| json + "\n")
            .map_err(|error| format!("Cannot print JSON: {error}.")),
    }
}
