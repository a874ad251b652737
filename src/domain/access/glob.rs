//! Globs on names: `*` and `?` stop at `/`, `**` does not. Braces and backslashes have no meaning.

use globset::{GlobBuilder, GlobMatcher};

/// Compiles a glob.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn compile(glob: &str) -> Result<GlobMatcher, String> {
    if glob.contains(['{', '}']) {
        return Err(format!("glob {glob} holds braces, which have no meaning here"));
    }
    GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(false)
        .build()
        .map(|glob| glob.compile_matcher())
        .map_err(|error| format!("glob {glob} is not valid: {}", error.kind()))
}
